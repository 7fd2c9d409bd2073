//! By a POST of JSON, with a `text` that Slack, Mattermost and the like show as it is.

use super::message::Message;
use crate::config::Webhook;
use crate::http_client::{Credentials, Target, post};

pub(super) async fn send(webhook: &Webhook, message: &Message) -> Result<(), String> {
    let bearer = webhook.bearer.as_ref().map(|secret| secret.read());
    let target = Target {
        url: webhook.url.clone(),
        credentials: bearer.transpose()?.map(Credentials::Bearer),
        authorities: webhook.authorities.clone(),
    };
    let body = message.json().to_string();
    tokio::task::spawn_blocking(move || post(&target, "application/json", body.as_bytes()))
        .await
        .map_err(|_| "sending failed".to_owned())?
        .map_err(|error| error.to_string())
}
