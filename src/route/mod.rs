//! Rules over DICOM attributes, and the explanation of why each matched or did not.
