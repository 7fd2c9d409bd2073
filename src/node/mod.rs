//! Start, stop and wiring: the one place where the whole road is visible.
