//! How many instances a series has at a peer (C-FIND, Study Root, PS3.4 section C.4.1).

use super::command::Request;
use super::error::DeliverError;
use super::retrieve::identifier;
use super::service::{Role, Service};
use crate::config::{Delivery, Peer};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::transfer_syntax::TransferSyntax;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use std::collections::BTreeSet;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

const CLASS: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_FIND;

/// Asks for the Number of Series Related Instances (0020,1209), and counts the instances themselves where the peer does
/// not know that attribute. `None` when it knows no such series.
///
/// # Errors
/// Why it did not answer.
pub async fn count_instances(
    peer: &Peer,
    calling_ae: &str,
    study_uid: &str,
    series_uid: &str,
    delivery: &Delivery,
) -> Result<Option<u64>, DeliverError> {
    let mut query = Service::open(peer, calling_ae, CLASS, Role::User, delivery).await?;
    let series = Keys {
        study_uid,
        series_uid,
    };
    let count = counted(&mut query, &series).await;
    query.end(count).await
}

/// The series that is asked for.
struct Keys<'k> {
    study_uid: &'k str,
    series_uid: &'k str,
}

async fn counted(query: &mut Service, series: &Keys<'_>) -> Result<Option<u64>, DeliverError> {
    let wanted = (tags::NUMBER_OF_SERIES_RELATED_INSTANCES, VR::IS);
    let found = find(query, series, "SERIES", wanted).await?;
    let Some(count) = found.first() else {
        return Ok(None);
    };
    if let Some(count) = count.as_deref().and_then(|count| count.parse().ok()) {
        return Ok(Some(count));
    }
    let wanted = (tags::SOP_INSTANCE_UID, VR::UI);
    let found = find(query, series, "IMAGE", wanted).await?;
    let uids: BTreeSet<String> = found.into_iter().flatten().collect();
    Ok(Some(uids.len() as u64))
}

/// The matches: of each the value of the attribute that is wanted, where it has one.
async fn find(
    query: &mut Service,
    series: &Keys<'_>,
    level: &str,
    wanted: (Tag, VR),
) -> Result<Vec<Option<String>>, DeliverError> {
    let mut keys = identifier(level, series.study_uid, series.series_uid);
    keys.put(DataElement::new(wanted.0, wanted.1, PrimitiveValue::Empty));
    let keys = query.encode(&keys)?;
    let request = Request::Find { sop_class: CLASS };
    let syntax = query.syntax;
    let answers = query
        .association
        .query(query.context, request, &keys)
        .await?;
    Ok(answers
        .iter()
        // The parser panics where an item stands in no sequence.
        .map(|answer| {
            let found = AssertUnwindSafe(|| value(answer, syntax, wanted.0));
            catch_unwind(found).unwrap_or_default()
        })
        .collect())
}

/// A short value of the top level. dicom-object would believe the lengths in what a peer sends; here each is held
/// against what came.
fn value(bytes: &[u8], syntax: &TransferSyntax, wanted: Tag) -> Option<String> {
    let mut reader = LazyDataSetReader::new_with_ts(Cursor::new(bytes), syntax).ok()?;
    let mut depth = 0usize;
    while let Some(token) = reader.advance() {
        match token.ok()? {
            LazyDataToken::SequenceStart { .. } => depth += 1,
            LazyDataToken::SequenceEnd => depth = depth.saturating_sub(1),
            LazyDataToken::LazyValue { header, decoder } => {
                let end = decoder.position().checked_add(header.len.get()?.into())?;
                if end > bytes.len() as u64 {
                    return None;
                }
                let found = LazyDataToken::LazyValue { header, decoder };
                if depth > 0 || header.tag != wanted {
                    found.skip().ok()?;
                    continue;
                }
                let text = found.into_value().ok()?.to_str().into_owned();
                let text = text.trim_matches(['\0', ' ']).to_owned();
                return (!text.is_empty()).then_some(text);
            }
            LazyDataToken::LazyItemValue { .. } | LazyDataToken::PixelSequenceStart => return None,
            _ => {}
        }
    }
    None
}
