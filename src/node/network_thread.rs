//! The one thread that owns the network and every tensor; requests reach it over a bounded channel. After a failure it
//! gives way to another.

use super::memory::is_want_of_memory;
use super::reading::SeriesInput;
use crate::config::{Device, NodeConfig};
use crate::iris::{Iris, IrisConfig, choose_device};
use crate::preprocess::NetworkInput;
use crate::segment::{SegmentOptions, Segmented, Strategy, segment_input};
use crate::tasks::{LoadedTask, TaskError, TaskLibrary};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Something to be done with the network and the tasks.
type Work = Box<dyn FnOnce(&Iris, &TaskLibrary) -> Thread + Send>;

/// What work leaves its thread as.
enum Thread {
    Sound,
    /// Something has failed on it, and may fail on it for ever.
    Spoilt,
}

/// A series to be segmented.
struct Request {
    input: Arc<SeriesInput>,
    tasks: Vec<String>,
    strategy: Strategy,
    keep_probabilities: bool,
}

/// What the network found, and what found it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) segmented: Segmented,
    /// SHA-256 of the weights.
    pub(super) weights_hash: String,
    /// From the network's first window to its last, without what comes before and after.
    pub(super) network: Duration,
}

/// Why the network gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkError {
    /// The series, the tasks or the weights are at fault: trying again would not help.
    #[error("{0}")]
    Refused(String),
    /// There is not enough memory, now at least.
    #[error("there is not enough memory for the network")]
    NoMemory,
    /// The thread has ended.
    #[error("the network's thread has ended")]
    Gone,
}

/// A handle to the thread.
#[derive(Debug)]
pub(super) struct NetworkThread {
    work: mpsc::Sender<Work>,
    weights: String,
    architecture: IrisConfig,
}

impl NetworkThread {
    /// Loads the network on its thread; the error is a sentence.
    pub(super) async fn start(node: &NodeConfig) -> Result<Self, String> {
        let (work, waiting) = mpsc::channel(1);
        let (started, start) = oneshot::channel();
        let (weights, folder, device) = (node.weights.clone(), node.task_dir.clone(), node.device);
        std::thread::Builder::new()
            .name("network".into())
            .spawn(move || match load(&weights, folder, device) {
                Ok((iris, library)) => {
                    let architecture = iris.config().clone();
                    let _ = started.send(Ok((iris.weights_hash().to_owned(), architecture)));
                    serve(Owned {
                        iris,
                        library,
                        waiting,
                    });
                }
                Err(reason) => {
                    let _ = started.send(Err(reason));
                }
            })
            .map_err(|error| format!("its thread cannot be started: {error}"))?;
        let (weights, architecture) = start
            .await
            .unwrap_or_else(|_| Err("its thread ended at once".into()))?;
        Ok(Self {
            work,
            weights,
            architecture,
        })
    }

    /// SHA-256 of the weights it loaded, in hexadecimal.
    pub(super) fn weights(&self) -> &str {
        &self.weights
    }

    /// Its architecture.
    pub(super) fn architecture(&self) -> &IrisConfig {
        &self.architecture
    }

    /// Segments a series by tasks, whose references meet it by a strategy.
    pub(super) async fn segment(
        &self,
        input: Arc<SeriesInput>,
        tasks: Vec<String>,
        strategy: Strategy,
        keep_probabilities: bool,
    ) -> Result<Answer, NetworkError> {
        let request = Request {
            input,
            tasks,
            strategy,
            keep_probabilities,
        };
        self.run(move |iris, library| segment(iris, library, &request))
            .await
    }

    /// Does something on the thread; its error is a sentence.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Iris, &TaskLibrary) -> Result<T, String> + Send + 'static,
    ) -> Result<T, NetworkError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |iris, library| {
            // libtorch reports some failures by exceptions that tch turns into
            // panics: one poisonous series must not end the node.
            let done = catch_unwind(AssertUnwindSafe(|| work(iris, library)))
                .unwrap_or_else(|panic| Err(of_panic(&*panic)));
            let thread = match &done {
                Ok(_) => Thread::Sound,
                Err(_) => Thread::Spoilt,
            };
            let _ = reply.send(done.map_err(|error| of_sentence(&error)));
            thread
        });
        self.work.send(work).await.map_err(|_| NetworkError::Gone)?;
        answer.await.map_err(|_| NetworkError::Gone)?
    }
}

fn load(
    weights: &std::path::Path,
    tasks: PathBuf,
    device: Device,
) -> Result<(Iris, TaskLibrary), String> {
    let device = match device {
        Device::Auto => choose_device("cuda").or_else(|_| choose_device("cpu")),
        named => choose_device(&named.to_string()),
    }
    .map_err(|error| error.to_string())?;
    let iris = Iris::load(weights, device).map_err(|error| error.to_string())?;
    let library = TaskLibrary::open(tasks).map_err(|error| error.to_string())?;
    tracing::info!(
        weights = &iris.weights_hash()[..12],
        ?device,
        "network loaded"
    );
    Ok((iris, library))
}

/// What the thread owns, and hands to the one after it.
struct Owned {
    iris: Iris,
    library: TaskLibrary,
    waiting: mpsc::Receiver<Work>,
}

impl Owned {
    /// Works until something fails; `false` when there will be no more work.
    fn work(&mut self) -> bool {
        while let Some(work) = self.waiting.blocking_recv() {
            if matches!(work(&self.iris, &self.library), Thread::Spoilt) {
                return true;
            }
        }
        false
    }
}

/// Serves on a thread, and after a failure on another: oneDNN keeps the error of an allocation that failed for the
/// thread it failed on, and would find it again in all that is asked of it there, however much memory has come free.
fn serve(owned: Owned) {
    let owned = Arc::new(Mutex::new(owned));
    loop {
        let held = Arc::clone(&owned);
        let work = move || held.lock().unwrap_or_else(PoisonError::into_inner).work();
        match std::thread::Builder::new()
            .name("network".into())
            .spawn(work)
        {
            Ok(thread) => {
                if matches!(thread.join(), Ok(false)) {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the network's thread cannot be started; trying again");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn segment(iris: &Iris, library: &TaskLibrary, request: &Request) -> Result<Answer, String> {
    // Tasks are read anew for each series: embeddings are a few kilobytes, and
    // a task taught a minute ago is then used without a restart.
    let tasks: Vec<LoadedTask> = request
        .tasks
        .iter()
        .map(|name| library.load(name, iris))
        .collect::<Result<_, TaskError>>()
        .map_err(|error| error.to_string())?;
    let (mut first, mut last) = (None, None);
    let input = NetworkInput::of(&request.input.volume).map_err(|error| error.to_string())?;
    let segmented = segment_input(
        &input,
        &request.input.series.geometry,
        &tasks,
        iris,
        &SegmentOptions {
            strategy: request.strategy,
            keep_probabilities: request.keep_probabilities,
            ..SegmentOptions::default()
        },
        &mut |_, _| {
            let now = Instant::now();
            first.get_or_insert(now);
            last = Some(now);
        },
    )
    .map_err(|error| error.to_string())?;
    let network = first.zip(last).map(|(first, last)| last - first);
    Ok(Answer {
        segmented,
        network: network.unwrap_or_default(),
        weights_hash: iris.weights_hash().to_owned(),
    })
}

/// What a panic was about: of libtorch's failures only want of memory is told from the others.
fn of_panic(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.filter(|words| is_want_of_memory(words));
    words.unwrap_or("the network failed on this series").into()
}

fn of_sentence(error: &str) -> NetworkError {
    match is_want_of_memory(error) {
        true => {
            tracing::warn!(error = without_frames(error), "memory could not be had");
            NetworkError::NoMemory
        }
        false => NetworkError::Refused(without_frames(error)),
    }
}

/// libtorch's errors end with its own call stack: the log and the job's record are for administrators.
fn without_frames(error: &str) -> String {
    let marks = [
        "\\nException raised from",
        "\nException raised from",
        "\\nframe #",
        "\nframe #",
    ];
    let end = marks.iter().filter_map(|mark| error.find(mark)).min();
    error[..end.unwrap_or(error.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_stack_is_left_out() {
        let error = "failed: Torch(\"no memory\\nException raised from here\\nframe #0: x\")";
        assert_eq!(without_frames(error), "failed: Torch(\"no memory");
        let error = "Torch(\"can't allocate memory\\nframe #0: c10::alloc_cpu\")";
        assert_eq!(without_frames(error), "Torch(\"can't allocate memory");
        assert_eq!(without_frames("no segment\nfits"), "no segment\nfits");
    }

    #[test]
    fn a_panic_for_want_of_memory_is_told_from_others() {
        let said = |words: &str| {
            let panic: Box<dyn std::any::Any + Send> = Box::new(words.to_owned());
            of_sentence(&of_panic(&*panic))
        };
        let short =
            said("called `Result::unwrap()` on an `Err` value: Torch(\"can't allocate memory\")");
        assert!(matches!(short, NetworkError::NoMemory), "{short}");
        // Nothing of what a panic says is shown: it may hold anything.
        let other = said("index 5 out of range");
        assert_eq!(other.to_string(), "the network failed on this series");
    }
}
