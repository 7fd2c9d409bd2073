//! Action information of storage commitment (PS3.4 table J.3-1), read without trusting its lengths.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// UIDs have 64 characters at most.
const LONGEST_VALUE: u32 = 256;

/// Transaction UID, and SOP class and instance UIDs.
pub type Asked = (String, Vec<(String, String)>);

/// Transaction UID and the SOP class and instance UIDs of Referenced SOP Sequence.
///
/// `None` when they cannot be read.
pub fn read_request(bytes: &[u8], transfer_syntax: &str) -> Option<Asked> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax)?;
    // The parser panics where an item stands in no sequence.
    catch_unwind(AssertUnwindSafe(|| {
        let reader = LazyDataSetReader::new_with_ts(Cursor::new(bytes), syntax).ok()?;
        walk(reader, bytes.len() as u64)
    }))
    .ok()?
}

/// Walks the action information; lengths are held against what came, since nothing else does.
fn walk<S>(mut reader: LazyDataSetReader<S>, end: u64) -> Option<Asked>
where
    S: StatefulDecode,
    for<'s> &'s mut S: StatefulDecode,
{
    let (mut transaction, mut instances) = (None, Vec::new());
    let (mut class, mut instance): (Option<String>, Option<String>) = (None, None);
    let mut sequences: Vec<Tag> = Vec::new();
    while let Some(token) = reader.advance() {
        match token.ok()? {
            LazyDataToken::SequenceStart { tag, .. } if sequences.len() < 8 => sequences.push(tag),
            LazyDataToken::SequenceStart { .. } | LazyDataToken::PixelSequenceStart => return None,
            LazyDataToken::SequenceEnd => {
                sequences.pop();
            }
            LazyDataToken::ItemEnd if sequences == [tags::REFERENCED_SOP_SEQUENCE] => {
                instances.push((class.take()?, instance.take()?));
            }
            LazyDataToken::LazyValue { header, decoder } => {
                let claimed = header.len.get()?;
                if decoder.position().saturating_add(claimed.into()) > end {
                    return None;
                }
                let tag = header.tag;
                let value = LazyDataToken::LazyValue { header, decoder };
                if claimed > LONGEST_VALUE {
                    value.skip().ok()?;
                    continue;
                }
                let value = value.into_value().ok()?;
                let text = value.to_str().trim_matches(['\0', ' ']).to_owned();
                match (sequences.as_slice(), tag) {
                    ([], tags::TRANSACTION_UID) => transaction = Some(text),
                    ([tags::REFERENCED_SOP_SEQUENCE], tags::REFERENCED_SOP_CLASS_UID) => {
                        class = Some(text);
                    }
                    ([tags::REFERENCED_SOP_SEQUENCE], tags::REFERENCED_SOP_INSTANCE_UID) => {
                        instance = Some(text);
                    }
                    _ => {}
                }
            }
            LazyDataToken::LazyItemValue { .. } => return None,
            _ => {}
        }
    }
    let transaction = transaction.filter(|uid| !uid.is_empty())?;
    (!instances.is_empty()).then_some((transaction, instances))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::uids;
    use dicom_object::InMemDicomObject;
    use proptest::prelude::*;

    fn request(transfer_syntax: &str) -> Vec<u8> {
        let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
        let items: Vec<InMemDicomObject> = ["1.2.3", "1.2.4"]
            .map(|uid| {
                InMemDicomObject::from_element_iter([
                    ui(tags::REFERENCED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
                    ui(tags::REFERENCED_SOP_INSTANCE_UID, uid),
                ])
            })
            .to_vec();
        let mut bytes = Vec::new();
        InMemDicomObject::from_element_iter([
            ui(tags::TRANSACTION_UID, "1.9"),
            DataElement::new(
                tags::REFERENCED_SOP_SEQUENCE,
                VR::SQ,
                DataSetSequence::from(items),
            ),
        ])
        .write_dataset_with_ts(
            &mut bytes,
            TransferSyntaxRegistry.get(transfer_syntax).unwrap(),
        )
        .unwrap();
        bytes
    }

    #[test]
    fn a_request_is_read_in_every_plain_transfer_syntax() {
        for syntax in [
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
        ] {
            let (transaction, instances) = read_request(&request(syntax), syntax).unwrap();
            assert_eq!(transaction, "1.9");
            let class = uids::CT_IMAGE_STORAGE.to_owned();
            let expected = ["1.2.3", "1.2.4"].map(|uid| (class.clone(), uid.to_owned()));
            assert_eq!(instances, expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_a_spoilt_request_is_read_or_refused(
            at in 0usize..200, byte: u8, cut in 0usize..200,
        ) {
            let mut bytes = request(uids::EXPLICIT_VR_LITTLE_ENDIAN);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = read_request(&bytes, uids::EXPLICIT_VR_LITTLE_ENDIAN);
        }
    }
}
