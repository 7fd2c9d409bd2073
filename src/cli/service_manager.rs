//! What systemd hears of the node (`sd_notify(3)`, `Type=notify`); nothing where no service manager started it.

use sd_notify::NotifyState;

/// The node listens: what is ordered after it may start.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The node stops in good order, and is not to be taken for one that failed.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    // The node works all the same; systemd says by itself that it has heard nothing.
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager does not hear the node");
    }
}
