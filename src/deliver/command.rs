//! The requests this side makes, and the response to them (PS3.7 sections 9.3 and 10.3).

use crate::dimse::read_command_set;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;

const C_STORE_RQ: u16 = 0x0001;
const C_GET_RQ: u16 = 0x0010;
const C_FIND_RQ: u16 = 0x0020;
const C_MOVE_RQ: u16 = 0x0021;
const C_ECHO_RQ: u16 = 0x0030;
const N_EVENT_REPORT_RQ: u16 = 0x0100;
const N_ACTION_RQ: u16 = 0x0130;
const RESPONSE: u16 = 0x8000;
const PRIORITY_MEDIUM: u16 = 0x0000;
const NO_DATA_SET: u16 = 0x0101;
const DATA_SET_FOLLOWS: u16 = 0x0001;

/// A request, before it has a message ID.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// C-ECHO-RQ.
    Echo,
    /// C-STORE-RQ.
    Store {
        /// Affected SOP Class UID.
        sop_class: &'a str,
        /// Affected SOP Instance UID.
        sop_instance: &'a str,
    },
    /// C-FIND-RQ.
    Find {
        /// Affected SOP Class UID.
        sop_class: &'a str,
    },
    /// C-GET-RQ.
    Get {
        /// Affected SOP Class UID.
        sop_class: &'a str,
    },
    /// C-MOVE-RQ.
    Move {
        /// Affected SOP Class UID.
        sop_class: &'a str,
        /// Move Destination.
        destination: &'a str,
    },
    /// N-EVENT-REPORT-RQ.
    EventReport {
        /// Affected SOP Class UID.
        sop_class: &'a str,
        /// Affected SOP Instance UID.
        sop_instance: &'a str,
        /// Event Type ID.
        event_type: u16,
    },
    /// N-ACTION-RQ.
    Action {
        /// Requested SOP Class UID.
        sop_class: &'a str,
        /// Requested SOP Instance UID.
        sop_instance: &'a str,
        /// Action Type ID.
        action_type: u16,
    },
}

impl Request<'_> {
    fn command_field(self) -> u16 {
        match self {
            Self::Echo => C_ECHO_RQ,
            Self::Store { .. } => C_STORE_RQ,
            Self::Find { .. } => C_FIND_RQ,
            Self::Get { .. } => C_GET_RQ,
            Self::Move { .. } => C_MOVE_RQ,
            Self::EventReport { .. } => N_EVENT_REPORT_RQ,
            Self::Action { .. } => N_ACTION_RQ,
        }
    }

    /// The command set as it goes over the wire.
    pub(super) fn encode(self, message_id: u16) -> Result<Vec<u8>, String> {
        let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
        let mut elements = vec![
            us(tags::COMMAND_FIELD, self.command_field()),
            us(tags::MESSAGE_ID, message_id),
        ];
        match self {
            Self::Echo => elements.extend([
                ui(tags::AFFECTED_SOP_CLASS_UID, uids::VERIFICATION),
                us(tags::COMMAND_DATA_SET_TYPE, NO_DATA_SET),
            ]),
            Self::Store {
                sop_class,
                sop_instance,
            } => elements.extend([
                ui(tags::AFFECTED_SOP_CLASS_UID, sop_class),
                ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance),
                us(tags::PRIORITY, PRIORITY_MEDIUM),
                us(tags::COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS),
            ]),
            Self::Find { sop_class } | Self::Get { sop_class } => elements.extend([
                ui(tags::AFFECTED_SOP_CLASS_UID, sop_class),
                us(tags::PRIORITY, PRIORITY_MEDIUM),
                us(tags::COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS),
            ]),
            Self::Move {
                sop_class,
                destination,
            } => elements.extend([
                ui(tags::AFFECTED_SOP_CLASS_UID, sop_class),
                us(tags::PRIORITY, PRIORITY_MEDIUM),
                DataElement::new(
                    tags::MOVE_DESTINATION,
                    VR::AE,
                    PrimitiveValue::from(destination),
                ),
                us(tags::COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS),
            ]),
            Self::EventReport {
                sop_class,
                sop_instance,
                event_type,
            } => elements.extend([
                ui(tags::AFFECTED_SOP_CLASS_UID, sop_class),
                ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance),
                us(tags::EVENT_TYPE_ID, event_type),
                us(tags::COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS),
            ]),
            Self::Action {
                sop_class,
                sop_instance,
                action_type,
            } => elements.extend([
                ui(tags::REQUESTED_SOP_CLASS_UID, sop_class),
                ui(tags::REQUESTED_SOP_INSTANCE_UID, sop_instance),
                us(tags::ACTION_TYPE_ID, action_type),
                us(tags::COMMAND_DATA_SET_TYPE, DATA_SET_FOLLOWS),
            ]),
        }
        let mut bytes = Vec::new();
        InMemDicomObject::command_from_element_iter(elements)
            .write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
            .map_err(|error| format!("a request that cannot be encoded ({error})"))?;
        Ok(bytes)
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status (0000,0900).
    pub status: u16,
    /// Whether a data set follows.
    pub has_data: bool,
    /// Offending Element (0000,0901). The peer's free-text Error Comment is left
    /// where it is: nothing keeps a peer from writing a patient's name there.
    pub offending_elements: Vec<String>,
    /// Of a C-MOVE or C-GET: sub-operations completed, with a warning or without (0000,1021), (0000,1023).
    pub completed: u32,
    /// Of a C-MOVE or C-GET: sub-operations failed (0000,1022).
    pub failed: u32,
}

impl Response {
    /// More responses to the request follow (PS3.4 section C.4.1.1.4).
    pub fn is_pending(&self) -> bool {
        matches!(self.status, 0xFF00 | 0xFF01)
    }

    /// Reads the response to `request`, made as `message_id`; the error says what is wrong with it.
    pub fn decode(bytes: &[u8], request: Request<'_>, message_id: u16) -> Result<Self, String> {
        let command =
            read_command_set(bytes).map_err(|_| "a command set that cannot be read".to_owned())?;
        let number = |tag| command.get(tag).and_then(|e| e.to_int::<u16>().ok());
        let field = number(tags::COMMAND_FIELD).ok_or("a command set without Command Field")?;
        if field != RESPONSE | request.command_field() {
            return Err(format!("command {field:04X}H instead of the response"));
        }
        if number(tags::MESSAGE_ID_BEING_RESPONDED_TO) != Some(message_id) {
            return Err("a response to another message".to_owned());
        }
        let status = number(tags::STATUS).ok_or("a response without Status")?;
        let has_data = number(tags::COMMAND_DATA_SET_TYPE).is_some_and(|kind| kind != NO_DATA_SET);
        let offending_elements = command
            .get(tags::OFFENDING_ELEMENT)
            .and_then(|e| e.value().primitive())
            .map(|value| match value {
                PrimitiveValue::Tags(tags) => tags.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            })
            .unwrap_or_default();
        let count = |tag| number(tag).map_or(0, u32::from);
        Ok(Self {
            status,
            has_data,
            offending_elements,
            completed: count(tags::NUMBER_OF_COMPLETED_SUBOPERATIONS)
                + count(tags::NUMBER_OF_WARNING_SUBOPERATIONS),
            failed: count(tags::NUMBER_OF_FAILED_SUBOPERATIONS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(field: u16, to: u16, status: u16) -> Vec<u8> {
        let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let mut bytes = Vec::new();
        InMemDicomObject::command_from_element_iter([
            us(tags::COMMAND_FIELD, field),
            us(tags::MESSAGE_ID_BEING_RESPONDED_TO, to),
            us(tags::COMMAND_DATA_SET_TYPE, NO_DATA_SET),
            us(tags::STATUS, status),
        ])
        .write_dataset_with_ts(&mut bytes, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
        .unwrap();
        bytes
    }

    #[test]
    fn a_response_counts_only_for_its_own_request() {
        let bytes = response(0x8030, 7, 0);
        assert_eq!(
            Response::decode(&bytes, Request::Echo, 7).unwrap().status,
            0
        );
        assert!(Response::decode(&bytes, Request::Echo, 8).is_err());
        let store = Request::Store {
            sop_class: uids::CT_IMAGE_STORAGE,
            sop_instance: "1.2.3",
        };
        assert!(Response::decode(&bytes, store, 7).is_err());
        assert!(Response::decode(b"not a command set", store, 7).is_err());
    }
}
