//! By e-mail, through the SMTP server that the configuration names.

use super::message::Message;
use crate::config::{Email, Security};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::time::Duration;

/// Longest wait for one answer of the server.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn send(email: &Email, message: &Message) -> Result<(), String> {
    let mut mail = lettre::Message::builder()
        .from(Mailbox::new(
            Some("irisnode".to_owned()),
            address(&email.from)?,
        ))
        .subject(message.subject());
    for to in &email.to {
        mail = mail.to(Mailbox::new(None, address(to)?));
    }
    let mail = mail
        .body(message.text())
        .map_err(|error| error.to_string())?;
    let host = &email.host;
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(email.port)
        .timeout(Some(PATIENCE))
        .tls(protection(email)?);
    if let Some((user, password)) = &email.login {
        server = server.credentials(Credentials::new(user.clone(), password.read()?));
    }
    let sent = tokio::time::timeout(4 * PATIENCE, server.build().send(mail)).await;
    match sent {
        Err(_) => Err(format!("{host} takes too long")),
        Ok(Err(error)) => Err(format!("{host}: {error}")),
        Ok(Ok(_)) => Ok(()),
    }
}

fn address(text: &str) -> Result<Address, String> {
    text.parse()
        .map_err(|_| format!("{text} is not an e-mail address"))
}

fn protection(email: &Email) -> Result<Tls, String> {
    if email.security == Security::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(email.host.clone());
    if let Some(path) = &email.authorities {
        let unusable = |error: String| format!("{} cannot be used: {error}", path.display());
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let trusted = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        parameters = parameters.add_root_certificate(trusted);
    }
    let parameters = parameters
        .build_rustls()
        .map_err(|error| error.to_string())?;
    Ok(match email.security {
        Security::Tls => Tls::Wrapper(parameters),
        Security::StartTls | Security::None => Tls::Required(parameters),
    })
}
