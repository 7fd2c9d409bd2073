//! Telling people that something needs them: messages by webhook and by e-mail.
//!
//! A message says the node's AE title, numbers of jobs, names of rules and peers, states, and sentences from the jobs'
//! records; never a patient's data, and no UID. When it is told, and how often, is for the caller to say.

mod email;
mod message;
mod webhook;

pub use message::{Message, Told};

use crate::config::{Notify, NotifyBy};

/// Tells somebody; the error is a sentence, without a secret in it.
///
/// # Errors
/// Nobody has taken the message.
pub async fn tell(target: &Notify, message: &Message) -> Result<(), String> {
    match &target.by {
        NotifyBy::Webhook(webhook) => webhook::send(webhook, message).await,
        NotifyBy::Email(email) => email::send(email, message).await,
    }
}
