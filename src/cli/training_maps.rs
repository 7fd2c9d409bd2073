//! The label maps that a training run draws scenes from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, WrapErr, miette};
use rayon::prelude::*;
use serde::Deserialize;

use crate::phantom::{MapGroup, Scene};
use crate::preprocess::normalise;
use crate::volume::{LabelVolume, Volume};

/// `[[map]]` of a training configuration: label maps of one kind. Paths start at the folder of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapSource {
    /// NIfTI files.
    files: Vec<PathBuf>,
    /// Lines of a label value and a name, tab separated; lines of three fields have a set's name before them. With names they are torsos, whose
    /// unlabelled space is filled; without, they label everything.
    names: Option<PathBuf>,
    /// Of a file of names with sets, the set.
    set: Option<String>,
    /// How much larger their scenes are than they.
    #[serde(default = "one")]
    zoom: f64,
    /// NIfTI images that the maps were drawn on, one for each, in their order: real pairs, mixed in as they are.
    #[serde(default)]
    images: Vec<PathBuf>,
    /// DICOM Modality of the images: CT for Hounsfield units.
    modality: Option<String>,
    /// Values from this one on fill the space around and are not asked for.
    fillers: Option<u16>,
}

fn one() -> f64 {
    1.0
}

impl MapSource {
    /// Torsos named by a file of values and names, as the command line gives them.
    pub fn torsos(files: Vec<PathBuf>, names: PathBuf) -> Self {
        Self {
            files,
            names: Some(names),
            set: None,
            zoom: 1.0,
            images: Vec::new(),
            modality: None,
            fillers: None,
        }
    }

    /// Reads the maps.
    pub fn read(&self, base: &Path) -> miette::Result<MapGroup> {
        let maps = self
            .files
            .par_iter()
            .map(|path| {
                let path = base.join(path);
                let map = LabelVolume::read_nifti(&path).into_diagnostic()?;
                Ok((path, map))
            })
            .collect::<miette::Result<Vec<_>>>()?;
        let Some(names) = &self.names else {
            let maps: Vec<LabelVolume> = maps.into_iter().map(|(_, map)| map).collect();
            let fillers = self.fillers.unwrap_or(u16::MAX);
            let scenes = Scene::from_whole_maps(&maps, self.zoom, fillers);
            if scenes.is_empty() {
                return Err(miette!("the maps of a `[[map]]` have no labels"));
            }
            let scenes = self.with_images(scenes, base)?;
            return Ok(MapGroup {
                scenes: scenes.into_iter().map(Arc::new).collect(),
                torsos: false,
            });
        };
        if !self.images.is_empty() {
            return Err(miette!(
                help = "leave out `names`: what an image shows need not be filled",
                "a `[[map]]` with images takes no names"
            ));
        }
        let names = self.read_names(&base.join(names))?;
        let scenes = maps.iter().map(|(path, map)| {
            let scene = Scene::from_labels(map, &names);
            scene.ok_or_else(|| miette!("{} has no labels", path.display()))
        });
        let scenes = scenes.collect::<miette::Result<Vec<_>>>()?;
        // Torsos of several subjects number their structures each in its own way: one map, one kind.
        if scenes.len() > 1
            && scenes
                .windows(2)
                .any(|two| two[0].structures != two[1].structures)
        {
            return Err(miette!(
                help = "give each of them a `[[map]]` of its own",
                "the torsos of one `[[map]]` must show the same structures"
            ));
        }
        Ok(MapGroup {
            scenes: scenes.into_iter().map(Arc::new).collect(),
            torsos: true,
        })
    }

    fn with_images(&self, scenes: Vec<Scene>, base: &Path) -> miette::Result<Vec<Scene>> {
        if self.images.is_empty() {
            return Ok(scenes);
        }
        if self.images.len() != scenes.len() {
            return Err(miette!(
                "a `[[map]]` has {} files and {} images; there must be one for each",
                scenes.len(),
                self.images.len()
            ));
        }
        let both = scenes.into_iter().zip(&self.images);
        both.map(|(scene, path)| {
            let mut image = Volume::read_nifti(&base.join(path)).into_diagnostic()?;
            normalise(&mut image.voxels, self.modality.as_deref().unwrap_or("CT"));
            Ok(scene.with_image(image))
        })
        .collect()
    }

    fn read_names(&self, path: &Path) -> miette::Result<BTreeMap<u16, String>> {
        let text = std::fs::read_to_string(path)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot read {}", path.display()))?;
        let named = |line: &str| {
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            let (value, name) = match (fields.as_slice(), &self.set) {
                ([set, value, name, ..], Some(wanted)) if set == wanted => (value, name),
                ([value, name], None) => (value, name),
                _ => return None,
            };
            Some((value.parse().ok()?, (*name).to_owned()))
        };
        let names: BTreeMap<u16, String> = text.lines().filter_map(named).collect();
        match names.is_empty() {
            true => Err(miette!(
                help = "a line holds a label value and a name, or a set, a value and a name, tab separated",
                "{} names no label",
                path.display()
            )),
            false => Ok(names),
        }
    }
}
