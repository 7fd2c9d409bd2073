//! A body of STOW-RS on its way into the archive: part by part into the spool, each durable before it counts as stored.

use super::media::MediaType;
use super::multipart::{Malformed, Multipart, Piece, field};
use super::part10::{Beginning, beginning};
use crate::archive::{Archive, Arriving, Bringing, Fault, NotKept, Sender};
use dicom_dictionary_std::tags;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Why an instance is not stored: Failure Reason (0008,1197), by PS3.18 table I.2-2 and PS3.4 table B.2-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureReason {
    ProcessingFailure,
    SopClassNotSupported,
    OutOfResources,
    DataSetDoesNotMatch,
    CannotUnderstand,
    OtherStudy,
    TransferSyntaxNotSupported,
}

impl FailureReason {
    /// Every reason.
    pub(super) const ALL: [Self; 7] = [
        Self::ProcessingFailure,
        Self::SopClassNotSupported,
        Self::OutOfResources,
        Self::DataSetDoesNotMatch,
        Self::CannotUnderstand,
        Self::OtherStudy,
        Self::TransferSyntaxNotSupported,
    ];

    pub(super) fn code(self) -> u16 {
        match self {
            Self::ProcessingFailure => 0x0110,
            Self::SopClassNotSupported => 0x0122,
            Self::OutOfResources => 0xA700,
            Self::DataSetDoesNotMatch => 0xA900,
            Self::CannotUnderstand => 0xC000,
            Self::OtherStudy => 0xC001,
            Self::TransferSyntaxNotSupported => 0xC122,
        }
    }

    /// When it is given, for the conformance statement.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::ProcessingFailure => {
                "the instance could not be processed, or is larger than `max_instance`"
            }
            Self::SopClassNotSupported => "the SOP class is none of those above",
            Self::OutOfResources => {
                "less than `min_free` is free, or the disk or the index cannot be written"
            }
            Self::DataSetDoesNotMatch => {
                "SOP Class or SOP Instance UID of the data set differ from the file meta information's"
            }
            Self::CannotUnderstand => {
                "the part is no file of PS3.10, or its data set cannot be read, is cut short, or lacks a UID"
            }
            Self::OtherStudy => "the instance is of another study than the URL names",
            Self::TransferSyntaxNotSupported => "the transfer syntax is none of those above",
        }
    }
}

impl From<Fault> for FailureReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::OutOfResources => Self::OutOfResources,
            Fault::CannotUnderstand => Self::CannotUnderstand,
            Fault::Mismatch => Self::DataSetDoesNotMatch,
            Fault::ProcessingFailure => Self::ProcessingFailure,
        }
    }
}

/// What is taken, and from whom.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// SOP classes that are kept.
    pub storage_classes: Vec<&'static str>,
    /// Transfer syntaxes that are kept.
    pub transfer_syntaxes: Vec<&'static str>,
    /// Whom what is stored counts as sent by, and to whom.
    pub sender: Sender,
    /// Instances are refused when less than this is free, bytes.
    pub min_free_bytes: u64,
    /// Bytes of the largest instance.
    pub max_instance_bytes: u64,
}

/// UIDs of an instance, as its file meta information has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uids {
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
}

/// What became of a body.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// Instances that are durable, with the study and the series of each.
    pub(super) stored: Vec<(Uids, String, String)>,
    pub(super) failed: Vec<(Uids, FailureReason)>,
    /// Parts of which it is not known what they were to be.
    pub(super) others: Vec<FailureReason>,
}

/// A part on its way.
enum Part {
    /// Bytes before the data set.
    Beginning(Vec<u8>),
    Arriving(Box<Arriving>, Uids, u64),
    /// Read past, for this reason; it may have said what it is.
    Refused(Option<Uids>, FailureReason),
}

/// A body that is coming in. What it does blocks.
pub(super) struct Reception {
    archive: Arc<Archive>,
    options: Arc<StoreOptions>,
    /// The study that the URL names.
    study: Option<String>,
    parser: Multipart,
    part: Option<Part>,
    bringing: Bringing,
    runtime: Handle,
    pub(super) received: Received,
}

impl Reception {
    pub(super) fn new(
        archive: Arc<Archive>,
        options: Arc<StoreOptions>,
        study: Option<String>,
        parser: Multipart,
        runtime: Handle,
    ) -> Self {
        Self {
            bringing: archive.association(),
            archive,
            options,
            study,
            parser,
            part: None,
            runtime,
            received: Received::default(),
        }
    }

    /// Takes bytes of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        // Taken out while its pieces are heard.
        let idle = Multipart::new("-")?;
        let mut parser = std::mem::replace(&mut self.parser, idle);
        let pushed = parser.push(bytes, |piece| match piece {
            Piece::Head(head) => self.part = Some(begin(head)),
            Piece::Data(bytes) => self.data(bytes),
            Piece::End => self.end(),
        });
        self.parser = parser;
        pushed
    }

    /// The body ended: was it whole?
    pub(super) fn finish(self) -> (Received, Result<(), Malformed>) {
        (self.received, self.parser.finish())
    }

    fn data(&mut self, bytes: &[u8]) {
        self.part = match self.part.take() {
            Some(Part::Beginning(mut begun)) => {
                begun.extend_from_slice(bytes);
                Some(self.beginning(begun))
            }
            Some(Part::Arriving(arriving, uids, length)) => {
                Some(self.write(arriving, uids, length, bytes))
            }
            other => other,
        };
    }

    fn beginning(&self, begun: Vec<u8>) -> Part {
        let (meta, data_set) = match beginning(&begun) {
            Beginning::Incomplete => return Part::Beginning(begun),
            Beginning::Other => return Part::Refused(None, FailureReason::CannotUnderstand),
            Beginning::Meta(meta, data_set) => (meta, data_set),
        };
        let uids = Uids {
            sop_class: meta.sop_class_uid,
            sop_instance: meta.sop_instance_uid,
        };
        let options = &self.options;
        if !options.storage_classes.contains(&uids.sop_class.as_str()) {
            return Part::Refused(Some(uids), FailureReason::SopClassNotSupported);
        }
        let syntax = meta.transfer_syntax;
        if !options.transfer_syntaxes.contains(&syntax.as_str()) {
            return Part::Refused(Some(uids), FailureReason::TransferSyntaxNotSupported);
        }
        let arriving = self
            .archive
            .may_take_more(options.min_free_bytes)
            .and_then(|()| {
                let (class, instance) = (&uids.sop_class, &uids.sop_instance);
                Arriving::begin(&self.archive, class, instance, &syntax, &options.sender)
            });
        match arriving {
            Ok(arriving) => self.write(Box::new(arriving), uids, 0, &begun[data_set..]),
            Err(not_kept) => refused(uids, &not_kept),
        }
    }

    fn write(&self, mut arriving: Box<Arriving>, uids: Uids, length: u64, bytes: &[u8]) -> Part {
        let length = length + bytes.len() as u64;
        if length > self.options.max_instance_bytes {
            tracing::warn!("an instance was not stored: it is larger than max_instance");
            return Part::Refused(Some(uids), FailureReason::ProcessingFailure);
        }
        match arriving.write(bytes) {
            Ok(()) => Part::Arriving(arriving, uids, length),
            Err(not_kept) => refused(uids, &not_kept),
        }
    }

    /// A part is whole: it is sealed and synced before it counts.
    fn end(&mut self) {
        let ended = match self.part.take() {
            None => return,
            Some(Part::Beginning(_)) => Part::Refused(None, FailureReason::CannotUnderstand),
            Some(part) => part,
        };
        match ended {
            Part::Arriving(arriving, uids, _) => self.keep(*arriving, uids),
            Part::Refused(uids, reason) => self.fail(uids, reason),
            Part::Beginning(_) => {}
        }
    }

    fn keep(&mut self, arriving: Arriving, uids: Uids) {
        let wanted = self.study.clone();
        let mut is_other = false;
        let kept = arriving.finish(|header| {
            let study = header.get(&tags::STUDY_INSTANCE_UID);
            is_other = wanted.is_some() && study != wanted.as_ref();
            match is_other {
                true => Err(NotKept {
                    fault: Fault::Mismatch,
                    reason: "it is of another study than the URL names".to_owned(),
                }),
                false => Ok(()),
            }
        });
        let kept = kept.and_then(|instance| {
            let of = (instance.study_uid.clone(), instance.series_uid.clone());
            self.bringing.brought(&instance);
            let stored = self.runtime.block_on(self.archive.store(instance));
            stored.map(|()| of).map_err(NotKept::from)
        });
        match kept {
            Ok((study, series)) => {
                metrics::counter!("irisnode_instances_received_total").increment(1);
                self.received.stored.push((uids, study, series));
            }
            Err(not_kept) => {
                tracing::warn!(reason = not_kept.reason, "an instance was not stored");
                let reason = match is_other {
                    true => FailureReason::OtherStudy,
                    false => not_kept.fault.into(),
                };
                self.fail(Some(uids), reason);
            }
        }
    }

    fn fail(&mut self, uids: Option<Uids>, reason: FailureReason) {
        metrics::counter!("irisnode_requests_refused_total").increment(1);
        match uids {
            Some(uids) => self.received.failed.push((uids, reason)),
            None => self.received.others.push(reason),
        }
    }
}

fn begin(head: &str) -> Part {
    let is_dicom = match field(head, "content-type").map(MediaType::parse) {
        None => true,
        Some(Some(media_type)) => media_type.name == "application/dicom",
        Some(None) => false,
    };
    match is_dicom {
        true => Part::Beginning(Vec::new()),
        false => Part::Refused(None, FailureReason::CannotUnderstand),
    }
}

fn refused(uids: Uids, not_kept: &NotKept) -> Part {
    tracing::warn!(reason = not_kept.reason, "an instance was not stored");
    Part::Refused(Some(uids), not_kept.fault.into())
}
