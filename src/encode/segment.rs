//! What goes into a segmentation besides voxels, and what comes out.

use super::seg_form::SegmentationType;
use crate::terminology::SegmentDescription;

/// What made a segment: Segment Algorithm Type (0062,0008).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum MadeBy {
    /// The network of this program, which is identified with version and parameters.
    #[default]
    #[value(skip)]
    Iris,
    /// A person.
    Manual,
    /// A person with a program's help.
    Semiautomatic,
    /// A program.
    Automatic,
}

/// A segment of a label volume: its number there, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its number in the layers of a [`LabelVolume`](crate::volume::LabelVolume), from 1.
    pub number: u16,
    /// Label, codes and colour.
    pub description: SegmentDescription,
    /// What made it.
    pub made_by: MadeBy,
    /// Name of the task (the algorithm) that made it; empty when a person drew it or nobody says.
    pub algorithm_name: String,
    /// Version of that task.
    pub algorithm_version: String,
    /// The references that it was found by, each with how much it counted where there are several; in words.
    pub references: Vec<String>,
}

impl Segment {
    /// A segment that no named algorithm made.
    pub fn new(number: u16, description: SegmentDescription) -> Self {
        Self {
            number,
            description,
            made_by: MadeBy::default(),
            algorithm_name: String::new(),
            algorithm_version: String::new(),
            references: Vec::new(),
        }
    }
}

/// What made a result. The UIDs of the result are derived from it and from the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// Name of the rule that asked for the result; several rules on one series give several results.
    pub rule: String,
    /// Name and version of each task that ran.
    pub tasks: Vec<(String, String)>,
    /// Hash of the network's weights, hexadecimal.
    pub weights_hash: String,
    /// Series Description (0008,103E) of the result.
    pub series_description: String,
}

/// A segmentation in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegFile {
    /// The whole DICOM file: preamble, file meta information, data set in Explicit VR Little Endian.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub instance: SegInstance,
}

/// A segmentation that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegInstance {
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: String,
    /// What kind it is.
    pub segmentation_type: SegmentationType,
    /// The segments in the file, in its order.
    pub written_segments: Vec<WrittenSegment>,
    /// Labels of the segments that have no voxel, and so are not in the file.
    pub empty_segments: Vec<String>,
}

impl SegInstance {
    /// SOP Class UID (0008,0016).
    pub fn sop_class_uid(&self) -> &'static str {
        self.segmentation_type.sop_class_uid()
    }
}

/// A segment as it lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenSegment {
    /// Segment Number (0062,0004): 1, 2, 3 and so on without a gap.
    pub number: u16,
    /// Its number in the label volume.
    pub source_number: u16,
    /// Segment Label (0062,0005).
    pub label: String,
    /// Voxels.
    pub voxels: u64,
    /// Frames, one for each slice that it is seen in; 0 in a label map, whose frames are of all segments.
    pub frames: u32,
}
