//! What is said of storage commitment: the request's action information and the report's event information (PS3.4 tables
//! J.3-1 and J.3-2), read without trusting their lengths.

use super::{Command, Status};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// SOP Instance UID of the one instance of Storage Commitment Push Model there is (PS3.4 section J.3.5).
pub const COMMITMENT_INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// Action type: Request Storage Commitment (PS3.4 table J.3-1).
pub const REQUEST_COMMITMENT: u16 = 1;
/// Event type: all instances are committed to (PS3.4 table J.3-2).
pub const ALL_COMMITTED: u16 = 1;
/// Event type: there are failures.
pub const FAILURES_EXIST: u16 = 2;
/// Some 30,000 instances; held in memory.
pub const LARGEST_COMMITMENT: usize = 4 << 20;

/// Failure Reason (0008,1197) of an item that gives none: Processing failure (PS3.3 section C.14.1.1).
const NO_REASON: u16 = 0x0110;
/// UIDs have 64 characters at most.
const LONGEST_VALUE: u32 = 256;

/// Transaction UID, and SOP class and instance UIDs.
pub type Asked = (String, Vec<(String, String)>);

/// What is said of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// SOP Class UID.
    pub sop_class: String,
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Failure Reason (0008,1197), PS3.3 section C.14.1.1; `None` when the instance is safe.
    pub failure: Option<u16>,
}

/// What a provider of storage commitment says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentReport {
    /// Transaction UID (0008,1195) of the request.
    pub transaction_uid: String,
    /// Each instance, those committed to first.
    pub instances: Vec<Committed>,
}

/// Whether a command is one of storage commitment: the request of a user, or the report of a provider.
///
/// # Errors
/// The status to answer.
pub fn check_commitment(command: &Command) -> Result<(), Status> {
    let (class, instance, is_known, unknown) = match command {
        Command::Action {
            sop_class_uid,
            sop_instance_uid,
            action_type,
            ..
        } => (
            sop_class_uid,
            sop_instance_uid,
            *action_type == REQUEST_COMMITMENT,
            Status::NoSuchAction,
        ),
        Command::EventReport {
            sop_class_uid,
            sop_instance_uid,
            event_type,
            ..
        } => (
            sop_class_uid,
            sop_instance_uid,
            [ALL_COMMITTED, FAILURES_EXIST].contains(event_type),
            Status::NoSuchEventType,
        ),
        _ => return Err(Status::UnrecognizedOperation),
    };
    if class != uids::STORAGE_COMMITMENT_PUSH_MODEL {
        return Err(Status::SopClassNotSupported);
    }
    match instance == COMMITMENT_INSTANCE && is_known {
        true => Ok(()),
        false => Err(unknown),
    }
}

/// Transaction UID and the SOP class and instance UIDs of Referenced SOP Sequence.
///
/// `None` when they cannot be read.
pub fn read_request(bytes: &[u8], transfer_syntax: &str) -> Option<Asked> {
    let said = read(bytes, transfer_syntax)?;
    (!said.referenced.is_empty()).then_some((said.transaction, said.referenced))
}

/// Transaction UID, and the instances of Referenced and of Failed SOP Sequence.
///
/// `None` when they cannot be read, or there is none.
pub fn read_report(bytes: &[u8], transfer_syntax: &str) -> Option<CommitmentReport> {
    let said = read(bytes, transfer_syntax)?;
    let safe = said.referenced.into_iter().map(|pair| (pair, None));
    let failed = said.failed.into_iter();
    let instances: Vec<Committed> = safe
        .chain(failed.map(|(pair, reason)| (pair, Some(reason))))
        .map(|((sop_class, sop_instance), failure)| Committed {
            sop_class,
            sop_instance,
            failure,
        })
        .collect();
    (!instances.is_empty()).then_some(CommitmentReport {
        transaction_uid: said.transaction,
        instances,
    })
}

/// SOP class and instance UID.
type Pair = (String, String);

/// Either kind of information.
struct Said {
    transaction: String,
    referenced: Vec<Pair>,
    /// With Failure Reason.
    failed: Vec<(Pair, u16)>,
}

fn read(bytes: &[u8], transfer_syntax: &str) -> Option<Said> {
    let syntax = TransferSyntaxRegistry.get(transfer_syntax)?;
    // The parser panics where an item stands in no sequence.
    catch_unwind(AssertUnwindSafe(|| {
        let reader = LazyDataSetReader::new_with_ts(Cursor::new(bytes), syntax).ok()?;
        walk(reader, bytes.len() as u64)
    }))
    .ok()?
}

/// Walks the information; lengths are held against what came, since nothing else does.
fn walk<S>(mut reader: LazyDataSetReader<S>, end: u64) -> Option<Said>
where
    S: StatefulDecode,
    for<'s> &'s mut S: StatefulDecode,
{
    let mut transaction = None;
    let (mut referenced, mut failed) = (Vec::new(), Vec::new());
    let (mut class, mut instance, mut reason) = (None, None, None);
    let mut sequences: Vec<Tag> = Vec::new();
    while let Some(token) = reader.advance() {
        match token.ok()? {
            LazyDataToken::SequenceStart { tag, .. } if sequences.len() < 8 => sequences.push(tag),
            LazyDataToken::SequenceStart { .. } | LazyDataToken::PixelSequenceStart => return None,
            LazyDataToken::SequenceEnd => {
                sequences.pop();
            }
            LazyDataToken::ItemEnd if sequences == [tags::REFERENCED_SOP_SEQUENCE] => {
                referenced.push((class.take()?, instance.take()?));
            }
            LazyDataToken::ItemEnd if sequences == [tags::FAILED_SOP_SEQUENCE] => {
                let pair = (class.take()?, instance.take()?);
                failed.push((pair, reason.take().unwrap_or(NO_REASON)));
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
                let text = || value.to_str().trim_matches(['\0', ' ']).to_owned();
                match (sequences.as_slice(), tag) {
                    ([], tags::TRANSACTION_UID) => transaction = Some(text()),
                    (
                        [tags::REFERENCED_SOP_SEQUENCE | tags::FAILED_SOP_SEQUENCE],
                        tags::REFERENCED_SOP_CLASS_UID,
                    ) => class = Some(text()),
                    (
                        [tags::REFERENCED_SOP_SEQUENCE | tags::FAILED_SOP_SEQUENCE],
                        tags::REFERENCED_SOP_INSTANCE_UID,
                    ) => instance = Some(text()),
                    ([tags::FAILED_SOP_SEQUENCE], tags::FAILURE_REASON) => {
                        reason = Some(value.to_int::<u16>().ok()?);
                    }
                    _ => {}
                }
            }
            LazyDataToken::LazyItemValue { .. } => return None,
            _ => {}
        }
    }
    Some(Said {
        transaction: transaction.filter(|uid: &String| !uid.is_empty())?,
        referenced,
        failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_object::InMemDicomObject;
    use proptest::prelude::*;

    fn item(uid: &str, failure: Option<u16>) -> InMemDicomObject {
        let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
        let mut item = InMemDicomObject::from_element_iter([
            ui(tags::REFERENCED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
            ui(tags::REFERENCED_SOP_INSTANCE_UID, uid),
        ]);
        if let Some(reason) = failure {
            let reason = PrimitiveValue::from(reason);
            item.put(DataElement::new(tags::FAILURE_REASON, VR::US, reason));
        }
        item
    }

    fn information(sequences: Vec<(Tag, Vec<InMemDicomObject>)>, transfer_syntax: &str) -> Vec<u8> {
        let uid = PrimitiveValue::from("1.9");
        let mut information = InMemDicomObject::from_element_iter([DataElement::new(
            tags::TRANSACTION_UID,
            VR::UI,
            uid,
        )]);
        for (tag, items) in sequences {
            information.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        }
        let mut bytes = Vec::new();
        information
            .write_dataset_with_ts(
                &mut bytes,
                TransferSyntaxRegistry.get(transfer_syntax).unwrap(),
            )
            .unwrap();
        bytes
    }

    fn request(transfer_syntax: &str) -> Vec<u8> {
        let items = vec![item("1.2.3", None), item("1.2.4", None)];
        information(
            vec![(tags::REFERENCED_SOP_SEQUENCE, items)],
            transfer_syntax,
        )
    }

    fn report(transfer_syntax: &str) -> Vec<u8> {
        let safe = vec![item("1.2.3", None)];
        let failed = vec![item("1.2.4", Some(0x0112)), item("1.2.5", None)];
        let sequences = vec![
            (tags::FAILED_SOP_SEQUENCE, failed),
            (tags::REFERENCED_SOP_SEQUENCE, safe),
        ];
        information(sequences, transfer_syntax)
    }

    const PLAIN: [&str; 2] = [
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
        uids::EXPLICIT_VR_LITTLE_ENDIAN,
    ];

    #[test]
    fn a_request_is_read_in_every_plain_transfer_syntax() {
        for syntax in PLAIN {
            let (transaction, instances) = read_request(&request(syntax), syntax).unwrap();
            assert_eq!(transaction, "1.9");
            let class = uids::CT_IMAGE_STORAGE.to_owned();
            let expected = ["1.2.3", "1.2.4"].map(|uid| (class.clone(), uid.to_owned()));
            assert_eq!(instances, expected);
        }
    }

    #[test]
    fn a_report_says_of_each_instance_whether_it_is_safe_and_why_not() {
        for syntax in PLAIN {
            let report = read_report(&report(syntax), syntax).unwrap();
            assert_eq!(report.transaction_uid, "1.9");
            let said: Vec<(&str, Option<u16>)> = report
                .instances
                .iter()
                .map(|one| (one.sop_instance.as_str(), one.failure))
                .collect();
            // An item of Failed SOP Sequence has failed, whether it says why or not.
            let expected = [
                ("1.2.3", None),
                ("1.2.4", Some(0x0112)),
                ("1.2.5", Some(0x0110)),
            ];
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn information_on_no_instance_is_none() {
        let syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
        let empty = information(vec![], syntax);
        assert_eq!(read_request(&empty, syntax), None);
        assert_eq!(read_report(&empty, syntax), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_spoilt_information_is_read_or_refused(
            at in 0usize..300, byte: u8, cut in 0usize..300, asks: bool,
        ) {
            let syntax = uids::EXPLICIT_VR_LITTLE_ENDIAN;
            let mut bytes = if asks { request(syntax) } else { report(syntax) };
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len() - cut % bytes.len());
            let _ = read_request(&bytes, syntax);
            let _ = read_report(&bytes, syntax);
        }
    }
}
