//! From P-DATA fragments to messages (PS3.7 section 6.3.1, PS3.8 annex E).

use super::{Command, CommandError};

/// No command set of a service we know comes near this many bytes.
const LARGEST_COMMAND: usize = 64 * 1024;

/// What a fragment turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Fragment<'a> {
    /// Part of a command set; more is to come.
    Partial,
    /// A whole command set.
    Command {
        /// Its presentation context.
        context: u8,
        /// The command.
        command: Command,
    },
    /// Part of the data set of the last command, in order.
    Data {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether they end the data set.
        is_last: bool,
    },
}

/// A fragment that cannot follow what came before; the association is to be aborted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReassemblyError {
    /// A data set fragment where no command announced one.
    #[error("a data set fragment without a command before it")]
    UnexpectedData,
    /// A command fragment while a data set is under way.
    #[error("a command fragment inside a data set")]
    UnexpectedCommand,
    /// Another presentation context in the middle of a message.
    #[error("a message changed its presentation context from {from} to {to}")]
    ContextChanged {
        /// Where the message began.
        from: u8,
        /// Where it went.
        to: u8,
    },
    /// A command set larger than any.
    #[error("a command set of more than 64 KiB")]
    CommandTooLarge,
    /// The command set cannot be read.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Reassembles one association's messages. Memory: one command set; data is handed on as it comes.
#[derive(Debug, Default)]
pub struct Reassembly {
    command: Vec<u8>,
    context: Option<u8>,
    in_data: bool,
}

impl Reassembly {
    /// Takes the next presentation data value.
    pub fn push<'a>(
        &mut self,
        context: u8,
        is_command: bool,
        is_last: bool,
        bytes: &'a [u8],
    ) -> Result<Fragment<'a>, ReassemblyError> {
        if let Some(from) = self.context
            && from != context
        {
            return Err(ReassemblyError::ContextChanged { from, to: context });
        }
        match (is_command, self.in_data) {
            (true, true) => return Err(ReassemblyError::UnexpectedCommand),
            (false, false) => return Err(ReassemblyError::UnexpectedData),
            (false, true) => {
                if is_last {
                    self.in_data = false;
                    self.context = None;
                }
                return Ok(Fragment::Data { bytes, is_last });
            }
            (true, false) => {}
        }
        if self.command.len() + bytes.len() > LARGEST_COMMAND {
            return Err(ReassemblyError::CommandTooLarge);
        }
        self.context = Some(context);
        self.command.extend_from_slice(bytes);
        if !is_last {
            return Ok(Fragment::Partial);
        }
        let command = Command::decode(&std::mem::take(&mut self.command))?;
        self.in_data = command.has_data();
        if !self.in_data {
            self.context = None;
        }
        Ok(Fragment::Command { context, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::{tags, uids};
    use dicom_object::InMemDicomObject;
    use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;
    use proptest::prelude::*;

    fn store_request() -> Vec<u8> {
        let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
        let mut bytes = Vec::new();
        InMemDicomObject::command_from_element_iter([
            ui(tags::AFFECTED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
            us(tags::COMMAND_FIELD, 1),
            us(tags::MESSAGE_ID, 9),
            us(tags::PRIORITY, 0),
            us(tags::COMMAND_DATA_SET_TYPE, 1),
            ui(tags::AFFECTED_SOP_INSTANCE_UID, "1.2.3.4"),
        ])
        .write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
        .unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn fragments_of_any_length_give_the_same_message(
            cuts in prop::collection::vec(1usize..64, 1..40),
            data in prop::collection::vec(any::<u8>(), 1..2000),
        ) {
            let mut reassembly = Reassembly::default();
            let request = store_request();
            let mut seen = None;
            let mut sizes = cuts.iter().cycle();
            let mut rest = request.as_slice();
            while !rest.is_empty() {
                let n = (*sizes.next().unwrap()).min(rest.len());
                let (now, after) = rest.split_at(n);
                if let Fragment::Command { command, .. } = reassembly.push(3, true, after.is_empty(), now).unwrap() {
                    seen = Some(command);
                }
                rest = after;
            }
            let expected = Command::Store {
                message_id: 9,
                sop_class_uid: uids::CT_IMAGE_STORAGE.into(),
                sop_instance_uid: "1.2.3.4".into(),
            };
            prop_assert_eq!(seen, Some(expected));
            let (mut rest, mut together) = (data.as_slice(), Vec::new());
            while !rest.is_empty() {
                let n = (*sizes.next().unwrap()).min(rest.len());
                let (now, after) = rest.split_at(n);
                match reassembly.push(3, false, after.is_empty(), now).unwrap() {
                    Fragment::Data { bytes, .. } => together.extend_from_slice(bytes),
                    other => prop_assert!(false, "{other:?}"),
                }
                rest = after;
            }
            prop_assert_eq!(together, data);
        }
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let request = store_request();
        let mut reassembly = Reassembly::default();
        assert_eq!(
            reassembly.push(1, false, true, b"data"),
            Err(ReassemblyError::UnexpectedData)
        );
        reassembly.push(1, true, true, &request).unwrap();
        assert_eq!(
            reassembly.push(1, true, true, &request),
            Err(ReassemblyError::UnexpectedCommand)
        );
        assert_eq!(
            reassembly.push(5, false, true, b"data"),
            Err(ReassemblyError::ContextChanged { from: 1, to: 5 })
        );
        let mut endless = Reassembly::default();
        let filler = vec![0; 40_000];
        endless.push(1, true, false, &filler).unwrap();
        assert_eq!(
            endless.push(1, true, false, &filler),
            Err(ReassemblyError::CommandTooLarge)
        );
    }
}
