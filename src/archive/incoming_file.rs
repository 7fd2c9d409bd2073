//! A file of PS3.10 on its way in, over whatever brings files: STOW-RS, a page.

use super::part10::{Beginning, beginning};
use super::{Archive, Arriving, Header, NewInstance, NotKept, Sender};
use std::sync::Arc;

/// What is taken, and whom it counts as sent by, and to whom.
#[derive(Debug, Clone)]
pub struct Acceptance {
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

/// UIDs of an instance, as its File Meta Information has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uids {
    /// Media Storage SOP Class UID (0002,0002).
    pub sop_class: String,
    /// Media Storage SOP Instance UID (0002,0003).
    pub sop_instance: String,
}

/// Why a file is not taken (no patient data in the sentences).
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is none of PS3.10, or ends before its data set.
    #[error("it is no DICOM file")]
    NoFile,
    /// Its SOP class is not kept here.
    #[error("its SOP class is not taken here")]
    SopClass,
    /// Its transfer syntax is not kept here.
    #[error("its transfer syntax is not taken here")]
    TransferSyntax,
    /// It is larger than [`Acceptance::max_instance_bytes`].
    #[error("it is larger than max_instance")]
    TooLarge,
    /// The archive does not keep it.
    #[error(transparent)]
    NotKept(#[from] NotKept),
}

/// A file that is coming in. What it does blocks.
#[derive(Debug)]
pub struct IncomingFile {
    archive: Arc<Archive>,
    acceptance: Arc<Acceptance>,
    uids: Option<Uids>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Bytes before the data set.
    Beginning(Vec<u8>),
    /// The data set, and how many bytes of it came.
    Arriving(Box<Arriving>, u64),
    /// Read past, for this reason.
    NotTaken(NotTaken),
}

impl IncomingFile {
    /// A file of which nothing has come.
    pub fn new(archive: Arc<Archive>, acceptance: Arc<Acceptance>) -> Self {
        Self {
            archive,
            acceptance,
            uids: None,
            state: State::Beginning(Vec::new()),
        }
    }

    /// What it says that it is, once that has come.
    pub fn uids(&self) -> Option<&Uids> {
        self.uids.as_ref()
    }

    /// Takes bytes of the file; those of one that is not taken are read past.
    pub fn push(&mut self, bytes: &[u8]) {
        // Put back at once, whatever comes of it.
        let state = std::mem::replace(&mut self.state, State::NotTaken(NotTaken::NoFile));
        self.state = match state {
            State::Beginning(mut begun) => {
                begun.extend_from_slice(bytes);
                self.beginning(begun)
            }
            State::Arriving(arriving, length) => self.write(arriving, length, bytes),
            State::NotTaken(reason) => State::NotTaken(reason),
        };
    }

    /// Ends the file and makes it durable, as [`Arriving::finish`] does; what it gives is for [`Archive::store`].
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn finish(
        self,
        fits: impl FnOnce(&Header) -> Result<(), NotKept>,
    ) -> Result<NewInstance, NotTaken> {
        match self.state {
            State::Beginning(_) => Err(NotTaken::NoFile),
            State::Arriving(arriving, _) => Ok(arriving.finish(fits)?),
            State::NotTaken(reason) => Err(reason),
        }
    }

    fn beginning(&mut self, begun: Vec<u8>) -> State {
        let (meta, data_set) = match beginning(&begun) {
            Beginning::Incomplete => return State::Beginning(begun),
            Beginning::Other => return State::NotTaken(NotTaken::NoFile),
            Beginning::Meta(meta, data_set) => (meta, data_set),
        };
        let uids = self.uids.insert(Uids {
            sop_class: meta.sop_class_uid,
            sop_instance: meta.sop_instance_uid,
        });
        let (taken, syntax) = (&self.acceptance, meta.transfer_syntax);
        if !taken.storage_classes.contains(&uids.sop_class.as_str()) {
            return State::NotTaken(NotTaken::SopClass);
        }
        if !taken.transfer_syntaxes.contains(&syntax.as_str()) {
            return State::NotTaken(NotTaken::TransferSyntax);
        }
        let arriving = self
            .archive
            .may_take_more(taken.min_free_bytes)
            .and_then(|()| {
                let (class, instance) = (&uids.sop_class, &uids.sop_instance);
                Arriving::begin(&self.archive, class, instance, &syntax, &taken.sender)
            });
        match arriving {
            Ok(arriving) => self.write(Box::new(arriving), 0, &begun[data_set..]),
            Err(not_kept) => State::NotTaken(not_kept.into()),
        }
    }

    fn write(&self, mut arriving: Box<Arriving>, length: u64, bytes: &[u8]) -> State {
        let length = length + bytes.len() as u64;
        if length > self.acceptance.max_instance_bytes {
            return State::NotTaken(NotTaken::TooLarge);
        }
        match arriving.write(bytes) {
            Ok(()) => State::Arriving(arriving, length),
            Err(not_kept) => State::NotTaken(not_kept.into()),
        }
    }
}
