//! Command sets of the services this node provides (PS3.7 section 9.3).

use dicom_core::dictionary::DataDictionary;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;

const C_STORE_RQ: u16 = 0x0001;
const C_ECHO_RQ: u16 = 0x0030;
const N_EVENT_REPORT_RQ: u16 = 0x0100;
const N_ACTION_RQ: u16 = 0x0130;
const C_CANCEL_RQ: u16 = 0x0FFF;
const RESPONSE: u16 = 0x8000;
const NO_DATA_SET: u16 = 0x0101;

/// A request from a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// C-ECHO-RQ.
    Echo {
        /// Message ID (0000,0110).
        message_id: u16,
    },
    /// C-STORE-RQ; a data set follows.
    Store {
        /// Message ID (0000,0110).
        message_id: u16,
        /// Affected SOP Class UID (0000,0002).
        sop_class_uid: String,
        /// Affected SOP Instance UID (0000,1000).
        sop_instance_uid: String,
    },
    /// N-ACTION-RQ; its action information follows as a data set.
    Action {
        /// Message ID (0000,0110).
        message_id: u16,
        /// Requested SOP Class UID (0000,0003).
        sop_class_uid: String,
        /// Requested SOP Instance UID (0000,1001).
        sop_instance_uid: String,
        /// Action Type ID (0000,1008).
        action_type: u16,
    },
    /// N-EVENT-REPORT-RQ; its event information follows as a data set.
    EventReport {
        /// Message ID (0000,0110).
        message_id: u16,
        /// Affected SOP Class UID (0000,0002).
        sop_class_uid: String,
        /// Affected SOP Instance UID (0000,1000).
        sop_instance_uid: String,
        /// Event Type ID (0000,1002).
        event_type: u16,
    },
    /// C-CANCEL-RQ: nothing here takes long enough to cancel, and it has no response.
    Cancel,
    /// A request for a service this node does not provide.
    Other {
        /// Command Field (0000,0100).
        field: u16,
        /// Message ID (0000,0110).
        message_id: u16,
        /// Whether a data set follows.
        has_data: bool,
    },
}

/// A command set that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// It is no data set in Implicit VR Little Endian.
    #[error("the command set cannot be read")]
    Unreadable,
    /// A required element is missing or wrong.
    #[error("the command set lacks {0}")]
    Missing(&'static str),
    /// A response without a request.
    #[error("command {0:04X}H is a response, and nothing was asked")]
    Response(u16),
}

/// Statuses this node answers with (PS3.7 annex C, PS3.4 table B.2-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0000H: the instance is kept.
    Success,
    /// 0110H: the instance was whole, but could not be kept.
    ProcessingFailure,
    /// 0113H: the event is none of the SOP class.
    NoSuchEventType,
    /// 0123H: the action is none of the SOP class.
    NoSuchAction,
    /// 0115H: the action or event information is wrong.
    InvalidArgument,
    /// 0122H: the SOP class was not negotiated on this presentation context.
    SopClassNotSupported,
    /// 0211H: the service is not provided.
    UnrecognizedOperation,
    /// A700H: too little room.
    OutOfResources,
    /// A900H: the data set contradicts the command.
    DataSetDoesNotMatchSopClass,
    /// C000H: the data set cannot be understood.
    CannotUnderstand,
}

impl Status {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::OutOfResources,
        Self::DataSetDoesNotMatchSopClass,
        Self::CannotUnderstand,
        Self::ProcessingFailure,
        Self::NoSuchEventType,
        Self::InvalidArgument,
        Self::SopClassNotSupported,
        Self::NoSuchAction,
        Self::UnrecognizedOperation,
    ];

    /// When it is answered.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => {
                "the instance and all that its row in the index says are on disk, synced; a request for commitment, or the report on one, is written down"
            }
            Self::ProcessingFailure => {
                "the request could not be carried out; for storage commitment also when the caller is no configured peer"
            }
            Self::SopClassNotSupported => {
                "the SOP class of the command is not the one of its presentation context"
            }
            Self::InvalidArgument => {
                "the information of a request for commitment, or of a report, cannot be read; or a report on what this caller was not asked for"
            }
            Self::NoSuchEventType => "an event that Storage Commitment Push Model does not have",
            Self::NoSuchAction => "an action that Storage Commitment Push Model does not have",
            Self::UnrecognizedOperation => "a DIMSE service that is not provided",
            Self::OutOfResources => {
                "less than `min_free` is free, or the disk or the index cannot be written; before the data set where possible"
            }
            Self::DataSetDoesNotMatchSopClass => {
                "SOP Class or SOP Instance UID of the data set differ from the command's"
            }
            Self::CannotUnderstand => "the data set cannot be read, is cut short, or lacks a UID",
        }
    }

    /// The code of Status (0000,0900).
    pub fn code(self) -> u16 {
        match self {
            Self::Success => 0x0000,
            Self::ProcessingFailure => 0x0110,
            Self::NoSuchEventType => 0x0113,
            Self::InvalidArgument => 0x0115,
            Self::SopClassNotSupported => 0x0122,
            Self::NoSuchAction => 0x0123,
            Self::UnrecognizedOperation => 0x0211,
            Self::OutOfResources => 0xA700,
            Self::DataSetDoesNotMatchSopClass => 0xA900,
            Self::CannotUnderstand => 0xC000,
        }
    }
}

impl Command {
    /// Reads a command set.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let set = read_command_set(bytes)?;
        let number = |tag: Tag, name| {
            set.get(tag)
                .and_then(|element| element.to_int::<u16>().ok())
                .ok_or(CommandError::Missing(name))
        };
        let uid = |tag: Tag, name| {
            set.get(tag)
                .and_then(|element| element.to_str().ok())
                .map(|text| text.trim_end_matches(['\0', ' ']).to_owned())
                .filter(|text| !text.is_empty())
                .ok_or(CommandError::Missing(name))
        };
        let field = number(tags::COMMAND_FIELD, "Command Field")?;
        if field & RESPONSE != 0 {
            return Err(CommandError::Response(field));
        }
        if field == C_CANCEL_RQ {
            return Ok(Self::Cancel);
        }
        let message_id = number(tags::MESSAGE_ID, "Message ID")?;
        let has_data = number(tags::COMMAND_DATA_SET_TYPE, "Command Data Set Type")? != NO_DATA_SET;
        match field {
            C_ECHO_RQ if !has_data => Ok(Self::Echo { message_id }),
            C_STORE_RQ if has_data => Ok(Self::Store {
                message_id,
                sop_class_uid: uid(tags::AFFECTED_SOP_CLASS_UID, "Affected SOP Class UID")?,
                sop_instance_uid: uid(
                    tags::AFFECTED_SOP_INSTANCE_UID,
                    "Affected SOP Instance UID",
                )?,
            }),
            N_ACTION_RQ if has_data => Ok(Self::Action {
                message_id,
                sop_class_uid: uid(tags::REQUESTED_SOP_CLASS_UID, "Requested SOP Class UID")?,
                sop_instance_uid: uid(
                    tags::REQUESTED_SOP_INSTANCE_UID,
                    "Requested SOP Instance UID",
                )?,
                action_type: number(tags::ACTION_TYPE_ID, "Action Type ID")?,
            }),
            N_EVENT_REPORT_RQ if has_data => Ok(Self::EventReport {
                message_id,
                sop_class_uid: uid(tags::AFFECTED_SOP_CLASS_UID, "Affected SOP Class UID")?,
                sop_instance_uid: uid(
                    tags::AFFECTED_SOP_INSTANCE_UID,
                    "Affected SOP Instance UID",
                )?,
                event_type: number(tags::EVENT_TYPE_ID, "Event Type ID")?,
            }),
            C_STORE_RQ => Err(CommandError::Missing("a data set")),
            _ => Ok(Self::Other {
                field,
                message_id,
                has_data,
            }),
        }
    }

    /// Whether a data set follows on the same presentation context.
    pub fn has_data(&self) -> bool {
        match self {
            Self::Echo { .. } | Self::Cancel => false,
            Self::Store { .. } | Self::Action { .. } | Self::EventReport { .. } => true,
            Self::Other { has_data, .. } => *has_data,
        }
    }
}

/// Reads a command set, of a request or a response, whose lengths are true (PS3.7 section 6.3.1).
///
/// # Errors
/// It cannot be read.
pub fn read_command_set(bytes: &[u8]) -> Result<InMemDicomObject, CommandError> {
    if !lengths_are_true(bytes) {
        return Err(CommandError::Unreadable);
    }
    InMemDicomObject::read_dataset_with_ts(bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(|_| CommandError::Unreadable)
}

/// Whether the bytes are a flat run of group 0000 elements whose lengths fit,
/// and hold whole numbers where they are numbers.
///
/// dicom-object allocates what a length claims before it reads; a command set
/// of 200 bytes could so ask for 4 GiB. After a number that is cut it reads on
/// out of step, and takes for a length what is none.
fn lengths_are_true(mut bytes: &[u8]) -> bool {
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let group = u16::from_le_bytes([head[0], head[1]]);
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let tag = Tag(group, u16::from_le_bytes([head[2], head[3]]));
        if group != 0 || length > rest.len() || !length.is_multiple_of(unit(tag)) {
            return false;
        }
        bytes = &rest[length..];
    }
    bytes.is_empty()
}

/// Bytes of one number of an element; 1 where it holds none.
fn unit(tag: Tag) -> usize {
    let entry = StandardDataDictionary.by_tag(tag);
    match entry.map(|entry| entry.vr.relaxed()) {
        Some(VR::US | VR::SS) => 2,
        Some(VR::UL | VR::SL | VR::AT) => 4,
        _ => 1,
    }
}

/// The response to a request; `None` where the request has none. The bytes are
/// Implicit VR Little Endian, group length included (PS3.7 section 6.3.1).
pub fn response(request: &Command, status: Status) -> Option<Vec<u8>> {
    let (field, message_id) = match request {
        Command::Cancel => return None,
        Command::Echo { message_id } => (C_ECHO_RQ, *message_id),
        Command::Store { message_id, .. } => (C_STORE_RQ, *message_id),
        Command::Action { message_id, .. } => (N_ACTION_RQ, *message_id),
        Command::EventReport { message_id, .. } => (N_EVENT_REPORT_RQ, *message_id),
        Command::Other {
            field, message_id, ..
        } => (*field, *message_id),
    };
    let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
    let mut elements = vec![
        us(tags::COMMAND_FIELD, field | RESPONSE),
        us(tags::MESSAGE_ID_BEING_RESPONDED_TO, message_id),
        us(tags::COMMAND_DATA_SET_TYPE, NO_DATA_SET),
        us(tags::STATUS, status.code()),
    ];
    match request {
        Command::Echo { .. } => {
            elements.push(ui(
                tags::AFFECTED_SOP_CLASS_UID,
                dicom_dictionary_std::uids::VERIFICATION,
            ));
        }
        Command::Store {
            sop_class_uid,
            sop_instance_uid,
            ..
        } => elements.extend([
            ui(tags::AFFECTED_SOP_CLASS_UID, sop_class_uid),
            ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
        ]),
        Command::Action {
            sop_class_uid,
            sop_instance_uid,
            action_type,
            ..
        } => elements.extend([
            ui(tags::AFFECTED_SOP_CLASS_UID, sop_class_uid),
            ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
            us(tags::ACTION_TYPE_ID, *action_type),
        ]),
        Command::EventReport {
            sop_class_uid,
            sop_instance_uid,
            event_type,
            ..
        } => elements.extend([
            ui(tags::AFFECTED_SOP_CLASS_UID, sop_class_uid),
            ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
            us(tags::EVENT_TYPE_ID, *event_type),
        ]),
        _ => {}
    }
    let mut bytes = Vec::new();
    InMemDicomObject::command_from_element_iter(elements)
        .write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_response_is_no_request() {
        let bytes = response(&Command::Echo { message_id: 7 }, Status::Success).unwrap();
        assert_eq!(Command::decode(&bytes), Err(CommandError::Response(0x8030)));
    }

    #[test]
    fn cancelling_has_no_response() {
        assert!(response(&Command::Cancel, Status::Success).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::decode(&bytes);
        }
    }

    #[test]
    fn a_command_set_whose_numbers_are_cut_is_not_read() {
        // (0000,0100) US of three bytes: read as one number, what follows begins a byte early, with a length of 989 MB.
        let cut = [
            [0, 0, 0, 1, 3, 0, 0, 0].as_slice(),
            &[0xfe, 0x28, 8],
            &[0, 0, 3, 0, 0, 0, 0, 0],
        ];
        assert!(read_command_set(&cut.concat()).is_err());
        let whole = [0, 0, 0, 1, 2, 0, 0, 0, 0x30, 0];
        assert!(read_command_set(&whole).is_ok());
    }
}
