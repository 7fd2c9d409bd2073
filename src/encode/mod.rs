//! DICOM Segmentation objects (PS3.3 A.51), written and read.
