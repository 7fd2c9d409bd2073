//! Which presentation contexts to propose for a set of files, and which accepted one carries a file.

use super::instance::Instance;
use super::negotiation::Proposal;
use dicom_dictionary_std::uids;
use dicom_ul::pdu::PresentationContextNegotiated;
use std::collections::{BTreeMap, BTreeSet};

/// Context IDs are the odd numbers below 256 (PS3.8 section 9.3.2.2).
const MOST_CONTEXTS: usize = 128;

/// Files that share an association.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) instances: Vec<Instance>,
    /// SOP class → the transfer syntaxes its files are in.
    syntaxes: BTreeMap<String, BTreeSet<String>>,
}

impl Batch {
    /// Puts files into as few batches as the limit on presentation contexts allows, order kept.
    pub(super) fn divide(instances: Vec<Instance>) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for instance in instances {
            if batches
                .last()
                .is_none_or(|last| !last.has_room_for(&instance))
            {
                batches.push(Self::default());
            }
            if let Some(last) = batches.last_mut() {
                last.syntaxes
                    .entry(instance.sop_class.clone())
                    .or_default()
                    .extend(wanted(&instance).cloned());
                last.instances.push(instance);
            }
        }
        batches
    }

    fn has_room_for(&self, instance: &Instance) -> bool {
        let wanted = match self.syntaxes.get(&instance.sop_class) {
            Some(syntaxes) => wanted(instance)
                .filter(|syntax| !syntaxes.contains(*syntax))
                .count(),
            None => 1 + wanted(instance).count(),
        };
        let used: usize = self.syntaxes.values().map(|own| own.len() + 1).sum();
        used + wanted <= MOST_CONTEXTS
    }

    /// For each SOP class, a context for each transfer syntax its files are in, and one of the
    /// uncompressed syntaxes. They are apart because of the syntaxes of one context the peer takes one.
    pub(super) fn proposals(&self) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        for (sop_class, own) in &self.syntaxes {
            for syntax in own {
                proposals.push((sop_class.clone(), vec![syntax.clone()]));
            }
            proposals.push((
                sop_class.clone(),
                vec![
                    uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
                    uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
                ],
            ));
        }
        proposals
    }
}

/// The transfer syntaxes in which a file is offered, besides the uncompressed ones.
fn wanted(instance: &Instance) -> impl Iterator<Item = &String> {
    instance.targets.iter().chain([&instance.transfer_syntax])
}

/// The accepted context for a file: the first it is to be compressed to, else in its own transfer syntax, else in an
/// uncompressed one.
pub(super) fn choose<'c>(
    accepted: &'c [PresentationContextNegotiated],
    instance: &Instance,
) -> Option<&'c PresentationContextNegotiated> {
    let of_class = || {
        accepted
            .iter()
            .filter(|context| context.abstract_syntax == instance.sop_class)
    };
    wanted(instance)
        .find_map(|syntax| of_class().find(|context| context.transfer_syntax == *syntax))
        .or_else(|| {
            of_class().find(|context| {
                [
                    uids::EXPLICIT_VR_LITTLE_ENDIAN,
                    uids::IMPLICIT_VR_LITTLE_ENDIAN,
                ]
                .contains(&context.transfer_syntax.as_str())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_ul::pdu::PresentationContextResultReason::Acceptance;

    fn instance(sop_class: &str, transfer_syntax: &str) -> Instance {
        Instance {
            path: "file.dcm".into(),
            sop_class: sop_class.into(),
            sop_instance: "1.2.3".into(),
            transfer_syntax: transfer_syntax.into(),
            data_set_offset: 0,
            data_set_length: 0,
            targets: Vec::new(),
        }
    }

    fn accepted(id: u8, sop_class: &str, transfer_syntax: &str) -> PresentationContextNegotiated {
        PresentationContextNegotiated {
            id,
            reason: Acceptance,
            transfer_syntax: transfer_syntax.into(),
            abstract_syntax: sop_class.into(),
        }
    }

    #[test]
    fn a_series_needs_one_batch_and_two_contexts() {
        let series = vec![instance(uids::CT_IMAGE_STORAGE, uids::JPEG2000_LOSSLESS); 300];
        let batches = Batch::divide(series);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].instances.len(), 300);
        assert_eq!(batches[0].proposals().len(), 2);
    }

    #[test]
    fn no_batch_asks_for_more_contexts_than_there_are_ids() {
        let many = (0..200).map(|n| instance(&format!("1.2.{n}"), uids::EXPLICIT_VR_LITTLE_ENDIAN));
        let batches = Batch::divide(many.collect());
        assert!(
            batches
                .iter()
                .all(|batch| batch.proposals().len() <= MOST_CONTEXTS)
        );
        assert_eq!(
            batches
                .iter()
                .map(|batch| batch.instances.len())
                .sum::<usize>(),
            200
        );
    }

    #[test]
    fn a_file_goes_out_in_its_own_syntax_where_the_peer_takes_it() {
        let ct = uids::CT_IMAGE_STORAGE;
        let file = instance(ct, uids::JPEG2000_LOSSLESS);
        let other = accepted(1, uids::MR_IMAGE_STORAGE, uids::JPEG2000_LOSSLESS);
        let plain = accepted(3, ct, uids::IMPLICIT_VR_LITTLE_ENDIAN);
        let own = accepted(5, ct, uids::JPEG2000_LOSSLESS);
        let all = [other.clone(), plain.clone(), own];
        assert_eq!(choose(&all, &file).map(|context| context.id), Some(5));
        assert_eq!(choose(&all[..2], &file).map(|context| context.id), Some(3));
        assert_eq!(choose(&all[..1], &file), None);
    }

    #[test]
    fn a_file_to_be_compressed_goes_out_as_the_peer_takes_it() {
        let seg = uids::SEGMENTATION_STORAGE;
        let file = Instance {
            targets: vec![uids::JPEGLS_LOSSLESS.into(), uids::RLE_LOSSLESS.into()],
            ..instance(seg, uids::EXPLICIT_VR_LITTLE_ENDIAN)
        };
        let plain = accepted(1, seg, uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let rle = accepted(3, seg, uids::RLE_LOSSLESS);
        let jpeg_ls = accepted(5, seg, uids::JPEGLS_LOSSLESS);
        let all = [plain, rle, jpeg_ls];
        assert_eq!(choose(&all, &file).map(|context| context.id), Some(5));
        assert_eq!(choose(&all[..2], &file).map(|context| context.id), Some(3));
        assert_eq!(choose(&all[..1], &file).map(|context| context.id), Some(1));
        assert_eq!(Batch::divide(vec![file])[0].proposals().len(), 4);
    }
}
