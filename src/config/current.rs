//! The configuration that runs, for everyone who reads it.

use super::Config;
use std::sync::Arc;
use tokio::sync::watch;

/// The configuration that runs. A step takes it once ([`Current::get`]) and so sees one configuration from its beginning
/// to its end, whatever happens to the file meanwhile.
#[derive(Debug, Clone)]
pub struct Current(watch::Receiver<State>);

/// What runs, and what is wrong with what lies on disk.
#[derive(Debug, Clone)]
struct State {
    running: Arc<Config>,
    refused: Arc<[String]>,
}

/// The one hand that changes what [`Current`] gives.
#[derive(Debug)]
pub struct Keeper(watch::Sender<State>);

impl Keeper {
    /// A configuration that runs from now on.
    pub fn new(config: Config) -> (Self, Current) {
        let (keeper, current) = watch::channel(State {
            running: Arc::new(config),
            refused: Arc::default(),
        });
        (Self(keeper), Current(current))
    }

    /// Another one runs from now on.
    pub fn take(&self, config: Config) {
        self.0.send_replace(State {
            running: Arc::new(config),
            refused: Arc::default(),
        });
    }

    /// The file on disk cannot be used, for these reasons; what runs goes on. Without a reason it says what runs.
    pub fn refuse(&self, reasons: Vec<String>) {
        self.0.send_modify(|state| state.refused = reasons.into());
    }
}

impl Current {
    /// The configuration as it is now.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow().running)
    }

    /// Why the file on disk is not what runs, `file:line: why`; empty where it is.
    pub fn refused(&self) -> Arc<[String]> {
        Arc::clone(&self.0.borrow().refused)
    }
}
