//! A patient drawn by formulas, and a library to teach tasks in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use irisnode::iris::{Iris, IrisConfig};
use irisnode::tasks::{Reference, Selection, TaskLibrary};
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{Geometry, LabelVolume, Volume};
use tch::Device;

pub const KIDNEY: u16 = 7;
pub const AORTA: u16 = 52;

/// A patient of 120 x 100 x 80 mm: soft tissue with a bright ball on the left (a "kidney") and a tube from foot
/// to head (an "aorta"), sampled on any grid.
pub fn patient_on(geometry: Geometry, shift: f64) -> (Volume, LabelVolume) {
    let mut voxels = vec![-1000.0; geometry.len()];
    let mut labels = vec![0; geometry.len()];
    for k in 0..geometry.size[2] {
        for j in 0..geometry.size[1] {
            for i in 0..geometry.size[0] {
                let [x, y, z] = geometry.to_patient([i as f64, j as f64, k as f64]);
                let x = x - shift;
                let at = geometry.index(i, j, k);
                let body = (x / 58.0).powi(2) + (y / 48.0).powi(2) <= 1.0;
                if body && z.abs() <= 40.0 {
                    voxels[at] = 40.0;
                }
                if (x - 28.0).powi(2) + y.powi(2) + z.powi(2) <= 16.0f64.powi(2) {
                    (voxels[at], labels[at]) = (180.0, KIDNEY);
                }
                if x.powi(2) + (y - 22.0).powi(2) <= 64.0 && z.abs() <= 40.0 {
                    (voxels[at], labels[at]) = (120.0, AORTA);
                }
            }
        }
    }
    let image = Volume {
        geometry: geometry.clone(),
        voxels,
    };
    (image, LabelVolume::exclusive(geometry, labels))
}

pub fn axial(spacing: f64) -> Geometry {
    let size = [120.0, 100.0, 80.0].map(|mm: f64| (mm / spacing).round() as usize);
    let origin = [120.0, 100.0, 80.0].map(|mm| -mm / 2.0 + spacing / 2.0);
    Geometry::axial(size, [spacing; 3], origin)
}

pub fn reference(spacing: f64, shift: f64) -> Reference {
    let (image, labels) = patient_on(axial(spacing), shift);
    Reference {
        image,
        modality: "CT".into(),
        labels,
    }
}

pub fn described(label: &str) -> SegmentDescription {
    SegmentDescription {
        label: label.into(),
        category: Code::new("123037004", "SCT", "Anatomical Structure"),
        property_type: Code::new("64033007", "SCT", label),
        property_type_modifier: None,
        anatomic_region: None,
        anatomic_region_modifier: None,
        color: [200, 80, 60],
    }
}

pub fn kidney_and_aorta() -> Vec<Selection> {
    vec![
        Selection {
            value: KIDNEY,
            description: described("Kidney"),
        },
        Selection {
            value: AORTA,
            description: described("Aorta"),
        },
    ]
}

pub struct Workplace {
    pub folder: tempfile::TempDir,
    pub library: TaskLibrary,
}

pub fn workplace() -> Workplace {
    let folder = tempfile::tempdir().unwrap();
    let library = TaskLibrary::open(folder.path().join("tasks")).unwrap();
    Workplace { folder, library }
}

impl Workplace {
    /// A small network with weights of its own, from a file, as a node has it.
    pub fn network(&self, seed: i64) -> Iris {
        tch::manual_seed(seed);
        let path = self
            .folder
            .path()
            .join(format!("weights-{seed}.safetensors"));
        Iris::new(IrisConfig::tiny(), Device::Cpu)
            .save(&path, &BTreeMap::new())
            .unwrap();
        Iris::load(&path, Device::Cpu).unwrap()
    }

    pub fn files(&self, part: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = walkdir::WalkDir::new(self.library.folder())
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file() && path.to_string_lossy().contains(part))
            .collect();
        files.sort();
        files
    }
}

/// Weights that were trained, when the checkout has them.
pub fn trained_network() -> Option<Iris> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/iris.safetensors");
    if !path.is_file() {
        eprintln!("left out: no weights/iris.safetensors in this checkout");
        return None;
    }
    Some(Iris::load(&path, Device::Cpu).unwrap())
}

pub fn difference(a: &tch::Tensor, b: &tch::Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}
