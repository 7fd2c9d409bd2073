//! Volumes larger than a patch: windows over the query, windows around the foreground of a reference.

use super::patient::{box_around, patient};
use super::window::{Window, cut, gaussian, only_value, pad_to, placed, windows};
use super::{Iris, TaskEmbedding};
use tch::{Device, Kind, Tensor};

/// How a query is cut into windows.
#[derive(Debug, Clone, PartialEq)]
pub struct SlidingWindow {
    /// Share of a window that overlaps with its neighbour along each axis, 0 to 0.9.
    pub overlap: f64,
    /// Most voxels a window may have; bounds the memory of one pass. At 4 mm the default holds the trunk of all but the
    /// largest patients: seen whole it is found better than in parts, and sooner.
    pub max_voxels: i64,
}

impl Default for SlidingWindow {
    fn default() -> Self {
        Self {
            overlap: 0.5,
            max_voxels: 128 * 128 * 128,
        }
    }
}

/// Why a tensor cannot be segmented or embedded.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// A tensor has the wrong number of axes, or an axis of the wrong length.
    #[error("expected {expected}, found a tensor of shape {found:?}")]
    Shape {
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: Vec<i64>,
    },
    /// A class has no voxel in its reference.
    #[error("class {0} has no voxel in the reference's label")]
    EmptyMask(i64),
    /// The embedding was made by other weights.
    #[error("the task embedding was made by other weights; compute it again")]
    OtherWeights,
    /// libtorch failed, for instance for want of memory.
    #[error("the network failed: {0}")]
    Torch(#[from] tch::TchError),
    /// Embeddings that do not belong together.
    #[error(transparent)]
    Embedding(#[from] super::EmbeddingError),
}

/// What each of several embeddings found where the network looked: in the box around the patient. Beyond it every
/// probability is 0.
#[derive(Debug)]
pub struct Found {
    /// The box's first voxel in the image: slice, row, column.
    pub start: [i64; 3],
    /// By each embedding, probabilities `[K, d, h, w]` of the box, on the CPU.
    pub each: Vec<Tensor>,
}

impl Found {
    /// The first and the last slice, row and column of the image in which some class is likelier than `least` by some
    /// embedding; `None` where there is none.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn bounds(&self, least: f32) -> Result<Option<[(i64, i64); 3]>, tch::TchError> {
        let mut likeliest: Option<Tensor> = None;
        for each in &self.each {
            let here = each.f_amax([0i64].as_slice(), false)?;
            likeliest = Some(match likeliest {
                Some(likeliest) => likeliest.f_maximum(&here)?,
                None => here,
            });
        }
        let Some(likeliest) = likeliest else {
            return Ok(None);
        };
        let shown = box_around(&likeliest.f_gt(f64::from(least))?)?;
        Ok(shown.map(|shown| {
            std::array::from_fn(|axis| {
                let ((first, last), start) = (shown[axis], self.start[axis]);
                (start + first, start + last)
            })
        }))
    }
}

impl Iris {
    /// Segments a volume of any size.
    ///
    /// `image [D, H, W]` at the network's spacing, `embedding` of `K` classes
    /// → probabilities `[K, D, H, W]` on the CPU.
    /// `progress(done, all)` is called before the first window, with 0, and after each.
    ///
    /// A volume that fits [`SlidingWindow::max_voxels`] is one window: rounded
    /// up to the stride at its far ends (its border repeated), segmented, cut
    /// back. A larger one is covered by windows of one size, run one at a time,
    /// whose probabilities are averaged with Gaussian weights. Windows of one
    /// and the same value throughout (air around the patient, padding of the
    /// scanner) have one answer wherever they lie: the network sees the first.
    /// Of a scan with air around the patient the network is shown the box
    /// around the patient alone; outside it every probability is 0.
    ///
    /// Memory beside the input is bounded, whatever the number of windows: one
    /// window's pass on the device, at most `8·channels[0] + 3·K` floats for
    /// each of at most `max_voxels` voxels (or of the training patch, where that
    /// is more); and, where there are several windows, `2·K + 1` floats for each
    /// voxel of the volume on the CPU, for the sum, its weights and the result,
    /// with `K` for each of the window where some are of one value.
    /// `make bench PARTS=memory` measures it.
    pub fn segment(
        &self,
        image: &Tensor,
        embedding: &TaskEmbedding,
        options: &SlidingWindow,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Tensor, InferenceError> {
        let mut found = self.segment_each(image, &[embedding], options, progress)?;
        // As many as embeddings: one.
        let shown = found.each.remove(0);
        // Nothing is found in the air around.
        Ok(placed(&shown, found.start, volume_size(image)?)?)
    }

    /// [`Iris::segment`] by several embeddings, each on its own; every window is encoded once for all of them.
    ///
    /// `embeddings` of `K` classes each (`K` may differ). The memory for sums and results is that of `segment` for each
    /// embedding.
    pub fn segment_each(
        &self,
        image: &Tensor,
        embeddings: &[&TaskEmbedding],
        options: &SlidingWindow,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Found, InferenceError> {
        for embedding in embeddings {
            if embedding.weights_hash() != self.weights_hash() {
                return Err(InferenceError::OtherWeights);
            }
            let shape = embedding.tensor().size();
            let one = [self.config().query_tokens + 1, self.config().bottleneck()];
            if shape[0] < 1 || shape[1..] != one {
                return Err(InferenceError::Shape {
                    expected: "an embedding [K, m+1, C] of this network",
                    found: shape,
                });
            }
        }
        let _guard = tch::no_grad_guard();
        let image = image.to_device(Device::Cpu).to_kind(Kind::Float);
        let shown = self.patient(&image, None)?;
        Ok(Found {
            start: shown.start,
            each: self.segment_shown(&cut(&image, shown), embeddings, options, progress)?,
        })
    }

    /// The box around the patient, in voxels of `image [D, H, W]`; see [`patient`].
    pub(super) fn patient(
        &self,
        image: &Tensor,
        masks: Option<&Tensor>,
    ) -> Result<Window, InferenceError> {
        let config = self.config();
        Ok(patient(image, masks, config.spacing_mm, config.stride())?)
    }

    /// [`Iris::segment_each`] of all of an image, on the CPU.
    fn segment_shown(
        &self,
        image: &Tensor,
        embeddings: &[&TaskEmbedding],
        options: &SlidingWindow,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<Tensor>, InferenceError> {
        let size = volume_size(image)?;
        let window = self.window_size(size, options.max_voxels, options.overlap);
        let padded: [i64; 3] = std::array::from_fn(|a| size[a].max(window[a]));
        let image = pad_to(image, padded)?;
        let windows = windows(padded, window, options.overlap);
        let tokens: Vec<Tensor> = embeddings
            .iter()
            .map(|embedding| embedding.tensor().to_device(self.device()).unsqueeze(0))
            .collect();
        // The probabilities `[K, d, h, w]` of a window by each embedding.
        let pass = |patch: &Tensor| -> Result<Vec<Tensor>, InferenceError> {
            let patch = patch.unsqueeze(0).unsqueeze(0).to_device(self.device());
            let features = attempt(|| self.encode(&patch))?;
            let each = tokens.iter().map(|tokens| {
                attempt(|| {
                    let mut logits = self.decode(&features, tokens).squeeze_dim(0);
                    logits.sigmoid_().to_device(Device::Cpu)
                })
            });
            each.collect()
        };
        let inside = Window {
            start: [0; 3],
            size,
        };
        if windows.len() == 1 {
            progress(0, 1);
            let found = pass(&image)?;
            progress(1, 1);
            let cut = |found: Tensor| cut(&found, inside).contiguous();
            return Ok(found.into_iter().map(cut).collect());
        }
        let weight = gaussian(window);
        let mut even: Option<(f64, Vec<Tensor>)> = None;
        let mut sums = Vec::with_capacity(tokens.len());
        for tokens in &tokens {
            let shape = [tokens.size()[1], padded[0], padded[1], padded[2]];
            sums.push(Tensor::f_zeros(shape, (Kind::Float, Device::Cpu))?);
        }
        let weights = Tensor::f_zeros(padded, (Kind::Float, Device::Cpu))?;
        progress(0, windows.len());
        for (index, place) in windows.iter().enumerate() {
            let patch = cut(&image, *place);
            let value = only_value(&patch)?;
            let known = match (value, even.take()) {
                (Some(value), Some((known, answers))) if value == known => Some(answers),
                (_, kept) => {
                    even = kept;
                    None
                }
            };
            let weighted = match known {
                Some(answers) => answers,
                None => {
                    let mut weighted = pass(&patch)?;
                    for found in &mut weighted {
                        let _ = found.f_mul_(&weight)?;
                    }
                    weighted
                }
            };
            for (sum, weighted) in sums.iter().zip(&weighted) {
                let _ = cut(sum, *place).f_add_(weighted)?;
            }
            let _ = cut(&weights, *place).f_add_(&weight)?;
            if let Some(value) = value {
                even = Some((value, weighted));
            }
            progress(index + 1, windows.len());
        }
        let whole = |mut sum: Tensor| {
            let _ = sum.f_div_(&weights)?;
            Ok(cut(&sum, inside).contiguous())
        };
        sums.into_iter().map(whole).collect()
    }

    /// The embedding of a reference of any size.
    ///
    /// `image [D, H, W]` at the network's spacing, `masks [K, D, H, W]` in
    /// [0, 1] → embeddings of `K` classes. A reference larger than a window is
    /// embedded on windows around each class's foreground; the mean is weighted
    /// by the foreground voxels in each window. Air around the patient is left
    /// out, as it is of a query.
    pub fn embed_reference(
        &self,
        image: &Tensor,
        masks: &Tensor,
    ) -> Result<TaskEmbedding, InferenceError> {
        let size = volume_size(image)?;
        let shape = masks.size();
        if shape.len() != 4 || shape[0] < 1 || shape[1..] != size {
            return Err(InferenceError::Shape {
                expected: "masks [K, D, H, W] on the image's grid",
                found: shape,
            });
        }
        let _guard = tch::no_grad_guard();
        let here = |x: &Tensor| x.to_device(Device::Cpu).to_kind(Kind::Float);
        let (image, masks) = (here(image), here(masks));
        let shown = self.patient(&image, Some(&masks))?;
        let SlidingWindow {
            overlap,
            max_voxels,
        } = SlidingWindow::default();
        let window = self.window_size(shown.size, max_voxels, overlap);
        let padded: [i64; 3] = std::array::from_fn(|a| shown.size[a].max(window[a]));
        let image = pad_to(&cut(&image, shown), padded)?;
        let masks = pad_to(&cut(&masks, shown), padded)?;
        // Encoding a window serves every class in it; windows without foreground are skipped.
        let all = if padded == window {
            vec![Window {
                start: [0; 3],
                size: window,
            }]
        } else {
            windows(padded, window, overlap)
        };
        let mut sum: Option<Tensor> = None;
        let mut counts = Tensor::zeros([shape[0]], (Kind::Float, Device::Cpu));
        for place in all {
            let mask = cut(&masks, place);
            let voxels = mask
                .flatten(1, -1)
                .sum_dim_intlist([1i64].as_slice(), false, None);
            if f64::try_from(voxels.sum(None::<Kind>))? <= 0.0 {
                continue;
            }
            let patch = cut(&image, place)
                .unsqueeze(0)
                .unsqueeze(0)
                .to_device(self.device());
            let tokens = attempt(|| {
                self.encode_task(&patch, &mask.unsqueeze(0).to_device(self.device()))
                    .squeeze_dim(0)
                    .to_device(Device::Cpu)
            })?;
            let weighted = tokens * voxels.reshape([-1, 1, 1]);
            sum = Some(match sum {
                Some(sum) => sum + weighted,
                None => weighted,
            });
            counts += voxels;
        }
        let empty = Vec::<f32>::try_from(&counts)?
            .iter()
            .position(|&n| n <= 0.0);
        match (sum, empty) {
            (Some(sum), None) => Ok(TaskEmbedding::new(
                &(sum / counts.reshape([-1, 1, 1])),
                self.weights_hash(),
            )?),
            (_, class) => Err(InferenceError::EmptyMask(class.unwrap_or(0) as i64)),
        }
    }
}

/// Runs the network, whose tch calls panic with libtorch's message, and gives that message as an error.
///
/// The panic starts in tch, after the C++ exception was caught, and no tensor
/// is left half written that is used again.
fn attempt<T>(pass: impl FnOnce() -> T) -> Result<T, InferenceError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(pass)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "no reason was given".to_owned());
        InferenceError::Torch(tch::TchError::Torch(message))
    })
}

pub(super) fn volume_size(image: &Tensor) -> Result<[i64; 3], InferenceError> {
    match image.size().as_slice() {
        &[d, h, w] if d > 0 && h > 0 && w > 0 => Ok([d, h, w]),
        other => Err(InferenceError::Shape {
            expected: "an image [D, H, W]",
            found: other.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_embeddings_finds_what_it_finds_alone() {
        tch::manual_seed(3);
        let iris = Iris::new(super::super::IrisConfig::tiny(), Device::Cpu);
        let config = iris.config();
        let embedding = |classes: i64| {
            let shape = [classes, config.query_tokens + 1, config.bottleneck()];
            let tokens = Tensor::randn(shape, (Kind::Float, Device::Cpu));
            TaskEmbedding::new(&tokens, iris.weights_hash()).unwrap()
        };
        let (one, other) = (embedding(2), embedding(3));
        let image = Tensor::randn([20, 24, 40], (Kind::Float, Device::Cpu));
        // Several windows.
        let options = SlidingWindow {
            max_voxels: 16 * 16 * 16,
            ..SlidingWindow::default()
        };
        let alone = |embedding| {
            iris.segment(&image, embedding, &options, &mut |_, _| {})
                .unwrap()
        };
        let mut windows = 0;
        let both = iris
            .segment_each(&image, &[&one, &other], &options, &mut |done, _| {
                windows = done
            })
            .unwrap();
        assert!(windows > 1);
        assert_eq!(both.each.len(), 2);
        for (together, embedding) in both.each.iter().zip([&one, &other]) {
            assert!(together.equal(&alone(embedding)));
        }
    }
}
