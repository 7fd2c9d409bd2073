//! Preprocessing, running Iris on a volume with several tasks in one pass, and back to the source grid.
