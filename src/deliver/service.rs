//! The association for one service of a peer that is no storage: verification, query, retrieval, storage commitment.

use super::association::Association;
use super::error::{DeliverError, describe};
use super::instance::{sop_class_name, transfer_syntax_name};
use crate::config::{Delivery, Peer};
use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_encoding::transfer_syntax::TransferSyntax;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

/// Which part this side plays in a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It asks: service class user.
    User,
    /// It is the one that was asked earlier: service class provider.
    Provider,
}

/// An association with one accepted presentation context.
pub(super) struct Service {
    pub(super) association: Association,
    /// Presentation context ID.
    pub(super) context: u8,
    /// Of data sets, in both directions.
    pub(super) syntax: &'static TransferSyntax,
}

impl Service {
    /// Proposes a SOP class in the two transfer syntaxes that every implementation has.
    pub(super) async fn open(
        peer: &Peer,
        calling_ae: &str,
        sop_class: &str,
        role: Role,
        delivery: &Delivery,
    ) -> Result<Self, DeliverError> {
        let proposal = (
            sop_class.to_owned(),
            vec![
                uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
                uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
            ],
        );
        let provided: &[&str] = match role {
            Role::Provider => &[sop_class],
            Role::User => &[],
        };
        let refused = || DeliverError::SopClassRefused {
            peer: describe(peer),
            sop_class: sop_class_name(sop_class),
            transfer_syntax: transfer_syntax_name(uids::EXPLICIT_VR_LITTLE_ENDIAN),
        };
        let association =
            Association::open_as(peer, calling_ae, vec![proposal], provided, delivery)
                .await?
                .ok_or_else(refused)?;
        let accepted = association.contexts().first().ok_or_else(refused)?;
        let context = accepted.id;
        match TransferSyntaxRegistry.get(&accepted.transfer_syntax) {
            Some(syntax) => Ok(Self {
                association,
                context,
                syntax,
            }),
            None => {
                let error = association.protocol("a transfer syntax that was not proposed".into());
                association.abort().await;
                Err(error)
            }
        }
    }

    /// A data set as it goes over the wire.
    pub(super) fn encode(&self, data_set: &InMemDicomObject) -> Result<Vec<u8>, DeliverError> {
        let mut bytes = Vec::new();
        data_set
            .write_dataset_with_ts(&mut bytes, self.syntax)
            .map_err(|_| {
                self.association
                    .protocol("a UID that cannot be written into a request".into())
            })?;
        Ok(bytes)
    }

    /// Ends the association: in good order after an answer, at once without one.
    pub(super) async fn end<T>(self, answer: Result<T, DeliverError>) -> Result<T, DeliverError> {
        match answer {
            Ok(_) => self.association.release().await,
            Err(_) => self.association.abort().await,
        }
        answer
    }
}
