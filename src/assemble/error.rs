//! Why a series is no volume, in sentences for an administrator.

use std::path::PathBuf;

/// Why the instances of a series do not make one consistent volume.
///
/// The sentences name counts, positions and instance numbers, never the patient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssembleError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system or the DICOM parser said.
        reason: String,
    },
    /// A file is not DICOM.
    #[error("{path} is not a DICOM file", path = path.display())]
    NotDicom {
        /// The file.
        path: PathBuf,
    },
    /// There is no instance at all.
    #[error("there is no DICOM image here")]
    Empty,
    /// The files belong to more than one series.
    #[error(
        "the files belong to {count} series, another first at {slice}; a volume is made of one"
    )]
    SeveralSeries {
        /// How many.
        count: usize,
        /// One that is not of the series of the first.
        slice: String,
    },
    /// An attribute that a volume needs is missing or has an impossible value.
    #[error(
        "{slice}: the attribute {attribute} is missing or has an impossible value, so the image cannot be placed or scaled"
    )]
    Attribute {
        /// Which image: `image 12` or `image 1, frame 7`.
        slice: String,
        /// The attribute's keyword.
        attribute: &'static str,
    },
    /// A kind of image that is not a stack of slices of numbers.
    #[error("{slice}: {reason}")]
    Unsupported {
        /// Which image.
        slice: String,
        /// What it is and what to do.
        reason: String,
    },
    /// The system gives no memory for the voxels.
    #[error("no memory could be had for its {} MiB of voxels", (*voxels * size_of::<f32>()) >> 20)]
    NoMemory {
        /// How many there are.
        voxels: usize,
    },
    /// Too few slices to tell whether one is missing between them.
    #[error(
        "the series has {found} {} ({which}), and at least {needed} are needed: with fewer nobody can tell whether one is missing between them",
        if *found == 1 { "slice" } else { "slices" }
    )]
    TooFewSlices {
        /// Slices there are.
        found: usize,
        /// Which they are.
        which: String,
        /// Slices needed.
        needed: usize,
    },
    /// Slices of different sizes.
    #[error(
        "the series mixes slices of {first:?} and {other:?} pixels (columns, rows), first at {slice}"
    )]
    MixedSize {
        /// Columns and rows of the first slice.
        first: [usize; 2],
        /// Columns and rows of one that differs.
        other: [usize; 2],
        /// The one that differs.
        slice: String,
    },
    /// Slices of different pixel spacing.
    #[error(
        "the series mixes pixel spacings of {first:?} mm and {other:?} mm (across columns, across rows), first at {slice}"
    )]
    MixedSpacing {
        /// Spacing of the first slice.
        first: [f64; 2],
        /// Spacing of one that differs.
        other: [f64; 2],
        /// The one that differs.
        slice: String,
    },
    /// Slices of different orientation.
    #[error(
        "{count} of the {total} slices are turned against the first by up to {degrees:.2} degrees; slices of one volume are parallel (first at {slice})"
    )]
    MixedOrientation {
        /// Slices that are turned.
        count: usize,
        /// All slices.
        total: usize,
        /// The largest angle.
        degrees: f64,
        /// The first that is turned.
        slice: String,
    },
    /// Slices of different frames of reference: their positions cannot be compared.
    #[error(
        "the slices belong to {count} frames of reference, another first at {slice}, so their positions cannot be compared (the patient was repositioned, or series were merged)"
    )]
    MixedFrameOfReference {
        /// How many.
        count: usize,
        /// One that is not in that of the first slice.
        slice: String,
    },
    /// Some slices are scaled to units and others are not.
    #[error(
        "the slices are in different units (Rescale Type {first} and {other}, first at {slice}), so their values cannot be compared"
    )]
    MixedRescale {
        /// Units of the first slice.
        first: String,
        /// Units of one that differs.
        other: String,
        /// The one that differs.
        slice: String,
    },
    /// Every position is there several times, and no attribute says which slices belong together.
    #[error(
        "the series holds {volumes} volumes of {slices} slices at the same positions, and no attribute tells them apart (the first position has {which}); send them as series of their own"
    )]
    SeveralVolumes {
        /// Images per position.
        volumes: usize,
        /// Positions.
        slices: usize,
        /// The slices at the first position.
        which: String,
    },
    /// The series holds several volumes, and not the one asked for, or one alone was asked for.
    #[error("the series holds {listed}, which begin at {first}; {asked}")]
    VolumeChoice {
        /// The volumes there are.
        listed: String,
        /// The first image of each.
        first: String,
        /// What was asked for, and what to do.
        asked: String,
    },
    /// Some positions are there more than once.
    #[error(
        "{duplicates} of the {total} slices lie at a position that another slice has, first at {at:.2} mm ({which})"
    )]
    DuplicatePosition {
        /// Slices too many.
        duplicates: usize,
        /// All slices.
        total: usize,
        /// The first such position, along the slice normal, mm.
        at: f64,
        /// The slices there.
        which: String,
    },
    /// One or more slices are missing.
    #[error(
        "{missing} of {expected} slices missing: between {before} and {after} there are {gap:.2} mm instead of {step:.2} mm{more}. \
         Send the whole series again"
    )]
    MissingSlices {
        /// Slices missing in all gaps.
        missing: usize,
        /// Slices there would be without gaps.
        expected: usize,
        /// The slice before the first gap.
        before: String,
        /// The slice after it.
        after: String,
        /// Its width, mm.
        gap: f64,
        /// The usual distance, mm.
        step: f64,
        /// Whether there are more gaps, in words.
        more: String,
    },
    /// The distance between slices varies.
    #[error(
        "the distance between slices is not regular: from {smallest:.3} mm to {largest:.3} mm over {total} slices, usually {usual:.3} mm, first off after {slice}"
    )]
    IrregularSpacing {
        /// The smallest distance, mm.
        smallest: f64,
        /// The largest distance, mm.
        largest: f64,
        /// The usual distance, mm.
        usual: f64,
        /// All slices.
        total: usize,
        /// The slice after which the distance is first off.
        slice: String,
    },
    /// The stack leans further than a gantry tilts.
    #[error(
        "the slices, from {first} to {last}, lie on a line that leans from their normal by {degrees:.1} degrees: no gantry is tilted further than 45"
    )]
    Tilted {
        /// Angle between the way from slice to slice and the slice normal.
        degrees: f64,
        /// The slice at one end.
        first: String,
        /// The slice at the other.
        last: String,
    },
    /// Slices are shifted sideways, each in its own way.
    #[error(
        "the slices do not lie over one another: up to {by:.2} mm to the side, first at {slice}; a volume's slices lie along their normal"
    )]
    Shifted {
        /// The largest shift, mm.
        by: f64,
        /// The first slice that is shifted.
        slice: String,
    },
    /// More voxels than the node takes.
    #[error(
        "{columns} x {rows} x {slices} voxels are more than the node takes at once ({limit}); raise the limit or send fewer slices"
    )]
    TooLarge {
        /// Columns.
        columns: usize,
        /// Rows.
        rows: usize,
        /// Slices.
        slices: usize,
        /// Most voxels.
        limit: u64,
    },
    /// No patient is so large.
    #[error(
        "it would be {:.1} x {:.1} x {:.1} m large, which no scan of a patient is: its Pixel Spacing or its positions are wrong",
        metres[0], metres[1], metres[2]
    )]
    BeyondPatients {
        /// How far its columns, rows and slices reach.
        metres: [f64; 3],
    },
    /// The pixels cannot be decoded.
    #[error("{slice}: the pixels cannot be decoded ({transfer_syntax}): {reason}")]
    Pixels {
        /// Which image.
        slice: String,
        /// Name or UID of the transfer syntax.
        transfer_syntax: String,
        /// Why.
        reason: String,
    },
}
