//! A body of STOW-RS on its way into the archive: part by part into the spool, each durable before it counts as stored.

use super::media::MediaType;
use super::multipart::{Malformed, Multipart, Piece, field};
use crate::archive::{Acceptance, Archive, Bringing, Fault, IncomingFile, NotKept, NotTaken, Uids};
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

impl From<&NotTaken> for FailureReason {
    fn from(not_taken: &NotTaken) -> Self {
        match not_taken {
            NotTaken::NoFile => Self::CannotUnderstand,
            NotTaken::SopClass => Self::SopClassNotSupported,
            NotTaken::TransferSyntax => Self::TransferSyntaxNotSupported,
            NotTaken::TooLarge => Self::ProcessingFailure,
            NotTaken::NotKept(not_kept) => match not_kept.fault {
                Fault::OutOfResources => Self::OutOfResources,
                Fault::CannotUnderstand => Self::CannotUnderstand,
                Fault::Mismatch => Self::DataSetDoesNotMatch,
                Fault::ProcessingFailure => Self::ProcessingFailure,
            },
        }
    }
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
    File(Box<IncomingFile>),
    /// Of another media type.
    Other,
}

/// A body that is coming in. What it does blocks.
pub(super) struct Reception {
    archive: Arc<Archive>,
    options: Arc<Acceptance>,
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
        options: Arc<Acceptance>,
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
            Piece::Head(head) => self.part = Some(self.begin(head)),
            Piece::Data(bytes) => {
                if let Some(Part::File(file)) = &mut self.part {
                    file.push(bytes);
                }
            }
            Piece::End => self.end(),
        });
        self.parser = parser;
        pushed
    }

    /// The body ended: was it whole? Then nothing more comes by it, as after the release of an association.
    pub(super) fn finish(mut self) -> (Received, Result<(), Malformed>) {
        let whole = self.parser.finish();
        if whole.is_ok() {
            self.bringing.released();
        }
        (self.received, whole)
    }

    fn begin(&self, head: &str) -> Part {
        let is_dicom = match field(head, "content-type").map(MediaType::parse) {
            None => true,
            Some(Some(media_type)) => media_type.name == "application/dicom",
            Some(None) => false,
        };
        let file = || IncomingFile::new(Arc::clone(&self.archive), Arc::clone(&self.options));
        match is_dicom {
            true => Part::File(Box::new(file())),
            false => Part::Other,
        }
    }

    /// A part is whole: it is sealed and synced before it counts.
    fn end(&mut self) {
        match self.part.take() {
            None => {}
            Some(Part::File(file)) => self.keep(*file),
            Some(Part::Other) => self.fail(None, FailureReason::CannotUnderstand),
        }
    }

    fn keep(&mut self, file: IncomingFile) {
        let uids = file.uids().cloned();
        let wanted = self.study.clone();
        let mut is_other = false;
        let kept = file.finish(|header| {
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
            stored.map_err(NotKept::from)?;
            Ok(of)
        });
        match kept {
            Ok((study, series)) => {
                metrics::counter!("irisnode_instances_received_total").increment(1);
                let uids = uids.unwrap_or_default();
                self.received.stored.push((uids, study, series));
            }
            Err(not_taken) => {
                tracing::warn!(reason = %not_taken, "an instance was not stored");
                let reason = match is_other {
                    true => FailureReason::OtherStudy,
                    false => FailureReason::from(&not_taken),
                };
                self.fail(uids, reason);
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
