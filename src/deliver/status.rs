//! What a peer's answer to C-STORE means (PS3.4 table B.2-1, PS3.7 annex C).

use std::fmt;

/// The status of a C-STORE response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStatus(pub u16);

impl StoreStatus {
    /// Stored as sent.
    pub const SUCCESS: Self = Self(0x0000);

    /// The peer holds the instance: success, or a warning that it changed or left out something.
    pub fn is_stored(self) -> bool {
        self == Self::SUCCESS || self.is_warning()
    }

    /// Stored, with a remark (B000H, B006H, B007H, and 0001H, 0107H, 0116H of PS3.7 annex C).
    pub fn is_warning(self) -> bool {
        matches!(self.0, 0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF)
    }

    /// Refused for want of resources (A7xxH): the same instance may be taken later.
    pub fn is_transient(self) -> bool {
        matches!(self.0, 0xA700..=0xA7FF)
    }
}

impl fmt::Display for StoreStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            0x0000 => "success",
            0x0105 | 0x0106 | 0x0120 | 0x0121 => "an attribute is missing or has an invalid value",
            0x0110 => "processing failure",
            0x0111 => "it already holds another instance with this SOP Instance UID",
            0x0117 => "invalid SOP Instance UID",
            0x0122 => "SOP class not supported",
            0x0124 => "not authorized",
            0x0210 => "duplicate invocation",
            0x0211 => "C-STORE is not recognized",
            0x0212 => "mistyped argument",
            0xA700..=0xA7FF => "out of resources",
            0xA900..=0xA9FF => "the data set does not match its SOP class",
            0xB000 => "stored, data elements were coerced",
            0xB006 => "stored, data elements were discarded",
            0xB007 => "stored, the data set does not match its SOP class",
            0xC000..=0xCFFF => "it cannot understand the data set",
            _ if self.is_warning() => "stored with a warning",
            _ => "failure",
        };
        write!(f, "{:04X}H, {meaning}", self.0)
    }
}

/// The status of a C-MOVE or C-GET response (PS3.4 tables C.4-2 and C.4-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveStatus(pub u16);

impl MoveStatus {
    /// Everything was sent.
    pub const SUCCESS: Self = Self(0x0000);

    /// All was done, or, a warning, all but some instances that were not taken.
    pub fn is_done(self) -> bool {
        self == Self::SUCCESS || self.is_warning()
    }

    /// Some instances were not taken.
    pub fn is_warning(self) -> bool {
        matches!(self.0, 0xB000..=0xBFFF)
    }

    /// Refused for want of resources: it may be done later.
    pub fn is_transient(self) -> bool {
        matches!(self.0, 0xA701 | 0xA702)
    }
}

impl fmt::Display for MoveStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            0x0000 => "success",
            0x0122 => "SOP class not supported",
            0x0124 => "not authorized",
            0xA701 => "out of resources: it cannot count the matches",
            0xA702 => "out of resources: it cannot send",
            0xA801 => "it does not know the move destination",
            0xA900 => "the identifier does not match its SOP class",
            0xB000..=0xBFFF => "some instances were not taken",
            0xC000..=0xCFFF => "unable to process",
            0xFE00 => "cancelled",
            _ => "failure",
        };
        write!(f, "{:04X}H, {meaning}", self.0)
    }
}

/// Why a peer does not commit to an instance (Failure Reason, PS3.3 section C.14.1.1), or did not take a message about
/// that (status, PS3.7 annex C); their numbers mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitmentFailure(pub u16);

impl CommitmentFailure {
    /// Asking again, or sending the instance again first, may help.
    pub fn is_transient(self) -> bool {
        // Processing failure; no such object instance; duplicate transaction; resource limitation.
        matches!(self.0, 0x0110 | 0x0112 | 0x0131 | 0x0213)
    }
}

impl fmt::Display for CommitmentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.0 {
            0x0110 => "processing failure",
            0x0112 => "no such object instance",
            0x0115 => "invalid argument",
            0x0117 => "invalid object instance",
            0x0118 | 0x0122 => "SOP class not supported",
            0x0119 => "class and instance contradict each other",
            0x0123 => "no such action",
            0x0124 => "not authorized",
            0x0131 => "duplicate transaction UID",
            0x0211 => "not recognized",
            0x0212 => "mistyped argument",
            0x0213 => "resource limitation",
            _ => "failure",
        };
        write!(f, "{:04X}H, {meaning}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_means_stored_and_a700_means_later() {
        assert!(StoreStatus(0xB007).is_stored());
        assert!(!StoreStatus(0xB007).is_transient());
        assert!(!StoreStatus(0xA700).is_stored());
        assert!(StoreStatus(0xA700).is_transient());
        assert!(!StoreStatus(0xA900).is_stored());
        assert!(!StoreStatus(0xA900).is_transient());
        assert!(!StoreStatus(0xC123).is_transient());
        assert_eq!(StoreStatus(0xA701).to_string(), "A701H, out of resources");
    }
}
