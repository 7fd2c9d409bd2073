//! How many training episodes a second the generator draws: `cargo bench --bench episodes -- [SECONDS] [SIDE]`.
//!
//! Episodes of SIDE³ voxels (128 unless said) at a spacing that shows as much of a body as the network's patch, with
//! augmentation, by 1, 2, … all threads, without a network. A line of JSON for each number of threads.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot arrange its situation ends"
)]

use irisnode::iris::train::{Augmentation, Episodes};
use irisnode::phantom::PhantomEpisodes;
use std::sync::Arc;
use std::time::Instant;
use tch::Device;

/// Length of a patch's side, mm.
const SIDE_MM: f64 = 260.0;

fn main() {
    irisnode::iris::keep_freed_memory();
    // As `irisnode train` does for a card.
    tch::set_num_threads(1);
    let mut arguments = std::env::args().skip(1).filter(|text| text != "--bench");
    let seconds: f64 = arguments
        .next()
        .map_or(10.0, |text| text.parse().expect("seconds"));
    let side: usize = arguments
        .next()
        .map_or(128, |text| text.parse().expect("voxels"));
    let source = Arc::new(PhantomEpisodes {
        seed: 1,
        spacing_mm: [SIDE_MM / side as f64; 3],
        patches: vec![[side; 3]],
        most_classes: 8,
        alike: 1,
        maps: Vec::new(),
        unlike_contrasts: 0.2,
        augmentation: Augmentation::default(),
    });
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut threads = 1;
    while threads <= cores {
        let mut episodes = Episodes::start(source.clone(), 0, threads, 1, Device::Cpu);
        let (start, mut drawn) = (Instant::now(), 0u32);
        while start.elapsed().as_secs_f64() < seconds {
            let episode = episodes.next().expect("an episode");
            assert_eq!(episode.query.size()[2], side as i64);
            drawn += 1;
        }
        let rate = f64::from(drawn) / start.elapsed().as_secs_f64();
        println!(
            "{{\"threads\": {threads}, \"side\": {side}, \"episodes_per_second\": {rate:.2}, \"per_thread\": {:.2}}}",
            rate / threads as f64
        );
        threads *= 2;
    }
}
