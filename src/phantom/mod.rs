//! Procedural labelled volumes: test fixtures, training episodes, the demo without real data.
