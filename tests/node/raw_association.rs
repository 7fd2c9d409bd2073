//! An association whose PDUs a test writes itself, for what no well-behaved program sends.

use crate::support::Node;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN;
use dicom_ul::association::client::{ClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};
use std::net::TcpStream;
use std::time::Duration;

/// An established association with one presentation context: CT Image Storage, Explicit VR Little Endian.
pub struct RawAssociation {
    association: ClientAssociation<TcpStream>,
}

impl RawAssociation {
    /// Associates as SCANNER.
    pub fn open(node: &Node) -> Self {
        Self::try_open(node).expect("an association")
    }

    /// Associates as SCANNER, unless the node rejects it.
    pub fn try_open(node: &Node) -> Option<Self> {
        let association = ClientAssociationOptions::new()
            .calling_ae_title("SCANNER")
            .called_ae_title(Node::AE_TITLE)
            .read_timeout(Duration::from_secs(60))
            .with_presentation_context(
                uids::CT_IMAGE_STORAGE,
                vec![uids::EXPLICIT_VR_LITTLE_ENDIAN],
            )
            .establish(("127.0.0.1", node.port))
            .ok()?;
        Some(Self { association })
    }

    /// The connection, to write whatever onto.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.association.inner_stream()
    }

    /// Sends a C-STORE-RQ.
    pub fn command(&mut self, sop_instance: &str) {
        let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
        let mut command = Vec::new();
        InMemDicomObject::command_from_element_iter([
            ui(tags::AFFECTED_SOP_CLASS_UID, uids::CT_IMAGE_STORAGE),
            us(tags::COMMAND_FIELD, 1),
            us(tags::MESSAGE_ID, 1),
            us(tags::PRIORITY, 0),
            us(tags::COMMAND_DATA_SET_TYPE, 1),
            ui(tags::AFFECTED_SOP_INSTANCE_UID, sop_instance),
        ])
        .write_dataset_with_ts(&mut command, &IMPLICIT_VR_LITTLE_ENDIAN.erased())
        .unwrap();
        self.fragment(PDataValueType::Command, true, &command);
    }

    /// Sends a fragment of a data set.
    pub fn data(&mut self, is_last: bool, bytes: &[u8]) {
        self.fragment(PDataValueType::Data, is_last, bytes);
    }

    /// Sends a fragment of a data set that goes on; whether the connection took it.
    pub fn try_data(&mut self, bytes: &[u8]) -> bool {
        self.try_fragment(PDataValueType::Data, false, bytes)
    }

    fn fragment(&mut self, value_type: PDataValueType, is_last: bool, bytes: &[u8]) {
        assert!(
            self.try_fragment(value_type, is_last, bytes),
            "no connection"
        );
    }

    fn try_fragment(&mut self, value_type: PDataValueType, is_last: bool, bytes: &[u8]) -> bool {
        let value = PDataValue {
            presentation_context_id: 1,
            value_type,
            is_last,
            data: bytes.to_vec(),
        };
        self.association
            .send(&Pdu::PData { data: vec![value] })
            .is_ok()
    }

    /// Waits for the response; gives its Status (0000,0900).
    pub fn status(&mut self) -> u16 {
        let pdu = loop {
            match self.association.receive() {
                // A paused machine interrupts a read; nothing was taken from the socket.
                Err(error) if is_interruption(&error) => {}
                received => break received.expect("a response"),
            }
        };
        let Pdu::PData { data } = pdu else {
            panic!("no response");
        };
        let command = InMemDicomObject::read_dataset_with_ts(
            data[0].data.as_slice(),
            &IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        )
        .unwrap();
        command
            .element(tags::STATUS)
            .unwrap()
            .to_int::<u16>()
            .unwrap()
    }

    /// C-STORE in fragments of `length` bytes; gives the status.
    pub fn store(&mut self, sop_instance: &str, data_set: &[u8], length: usize) -> u16 {
        self.command(sop_instance);
        let fragments = data_set.chunks(length);
        let last = fragments.len().saturating_sub(1);
        for (at, fragment) in fragments.enumerate() {
            self.data(at == last, fragment);
        }
        self.status()
    }

    /// Ends the association in good order.
    pub fn release(self) {
        self.association.release().expect("a release");
    }
}

fn is_interruption(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
        || error.source().is_some_and(is_interruption)
}
