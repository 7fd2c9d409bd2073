//! A torso: x to the left, y to posterior, z to the head; the middle of L1 is z = 0. Millimetres.

use super::scene::{Scene, Structure};
use super::shape::Shape;
use crate::volume::Vec3;

const VERTEBRAE: [(&str, f64); 10] = [
    ("vertebrae_T8", 190.0),
    ("vertebrae_T9", 162.0),
    ("vertebrae_T10", 134.0),
    ("vertebrae_T11", 104.0),
    ("vertebrae_T12", 70.0),
    ("vertebrae_L1", 35.0),
    ("vertebrae_L2", 0.0),
    ("vertebrae_L3", -36.0),
    ("vertebrae_L4", -73.0),
    ("vertebrae_L5", -110.0),
];

impl Scene {
    /// Abdomen with the lower chest and the pelvis around it.
    pub fn torso() -> Self {
        let ball = |x, y, z, a, b, c| Shape::ellipsoid([x, y, z], [a, b, c]);
        let tube = |points: &[Vec3], radius| Shape::tube(points, radius);
        let organ = Structure::organ;
        let mut s = vec![
            Structure::filler(
                "fat",
                -100.0,
                8.0,
                vec![Shape::Trunk {
                    radii: [172.0, 118.0],
                }],
            ),
            Structure::filler(
                "wall",
                55.0,
                8.0,
                vec![Shape::Trunk {
                    radii: [150.0, 100.0],
                }],
            ),
            Structure::filler(
                "cavity",
                -85.0,
                15.0,
                vec![Shape::Trunk {
                    radii: [136.0, 86.0],
                }],
            ),
            Structure::filler(
                "ribs",
                350.0,
                80.0,
                vec![Shape::Ribs {
                    radii: [142.0, 92.0],
                    pitch: 30.0,
                    thickness: 10.0,
                    from: 10.0,
                }],
            ),
            organ(
                "lung_right",
                -820.0,
                40.0,
                vec![ball(-75.0, 0.0, 165.0, 58.0, 78.0, 100.0)],
            ),
            organ(
                "lung_left",
                -820.0,
                40.0,
                vec![ball(78.0, 5.0, 165.0, 55.0, 76.0, 100.0)],
            ),
            organ(
                "heart",
                110.0,
                40.0,
                vec![ball(20.0, -30.0, 135.0, 52.0, 45.0, 50.0)],
            ),
            organ(
                "autochthon_right",
                55.0,
                10.0,
                vec![tube(&[[-36.0, 76.0, -260.0], [-36.0, 78.0, 260.0]], 22.0)],
            )
            .wander(3.0),
            organ(
                "autochthon_left",
                55.0,
                10.0,
                vec![tube(&[[36.0, 76.0, -260.0], [36.0, 78.0, 260.0]], 22.0)],
            )
            .wander(3.0),
            organ(
                "iliopsoas_right",
                58.0,
                10.0,
                vec![tube(&[[-34.0, 48.0, 0.0], [-60.0, 25.0, -200.0]], 19.0)],
            )
            .wander(3.0),
            organ(
                "iliopsoas_left",
                58.0,
                10.0,
                vec![tube(&[[34.0, 48.0, 0.0], [60.0, 25.0, -200.0]], 19.0)],
            )
            .wander(3.0),
            organ("small_bowel", 40.0, 25.0, small_bowel()),
            organ(
                "colon",
                15.0,
                60.0,
                vec![
                    tube(
                        &[
                            [-98.0, 0.0, -150.0],
                            [-102.0, 0.0, -10.0],
                            [-60.0, -58.0, -15.0],
                            [50.0, -60.0, -5.0],
                        ],
                        19.0,
                    ),
                    tube(
                        &[
                            [50.0, -60.0, -5.0],
                            [108.0, 10.0, 20.0],
                            [108.0, 25.0, -130.0],
                        ],
                        17.0,
                    ),
                ],
            ),
            organ(
                "liver",
                100.0,
                18.0,
                vec![
                    ball(-68.0, -8.0, 52.0, 72.0, 72.0, 68.0),
                    ball(-12.0, -45.0, 62.0, 62.0, 34.0, 32.0),
                ],
            ),
            organ(
                "stomach",
                30.0,
                25.0,
                vec![
                    ball(52.0, -30.0, 58.0, 42.0, 46.0, 44.0),
                    ball(20.0, -52.0, 30.0, 40.0, 24.0, 22.0),
                ],
            ),
            organ(
                "spleen",
                110.0,
                18.0,
                vec![ball(104.0, 38.0, 60.0, 26.0, 42.0, 48.0)],
            ),
            organ(
                "kidney_right",
                150.0,
                45.0,
                vec![ball(-58.0, 48.0, 0.0, 26.0, 29.0, 54.0)],
            )
            .missing(0.03),
            organ(
                "kidney_left",
                150.0,
                45.0,
                vec![ball(60.0, 48.0, 12.0, 26.0, 29.0, 54.0)],
            )
            .missing(0.03),
            organ(
                "adrenal_gland_left",
                70.0,
                20.0,
                vec![ball(38.0, 35.0, 58.0, 10.0, 12.0, 14.0)],
            ),
            organ(
                "adrenal_gland_right",
                70.0,
                20.0,
                vec![ball(-28.0, 38.0, 60.0, 8.0, 13.0, 13.0)],
            ),
            organ(
                "duodenum",
                45.0,
                20.0,
                vec![tube(
                    &[
                        [-20.0, -30.0, 20.0],
                        [-40.0, -5.0, 5.0],
                        [-38.0, 5.0, -30.0],
                        [10.0, 2.0, -35.0],
                    ],
                    12.0,
                )],
            ),
            organ(
                "pancreas",
                85.0,
                15.0,
                vec![tube(
                    &[
                        [-28.0, -10.0, 0.0],
                        [0.0, -22.0, 18.0],
                        [45.0, 0.0, 35.0],
                        [80.0, 22.0, 45.0],
                    ],
                    12.0,
                )],
            ),
            organ(
                "gallbladder",
                12.0,
                8.0,
                vec![ball(-48.0, -48.0, 8.0, 17.0, 18.0, 28.0)],
            )
            .missing(0.15),
            organ(
                "portal_vein_and_splenic_vein",
                140.0,
                40.0,
                vec![tube(
                    &[[70.0, 22.0, 52.0], [5.0, -5.0, 22.0], [-45.0, -5.0, 50.0]],
                    7.0,
                )],
            ),
            organ(
                "inferior_vena_cava",
                125.0,
                40.0,
                vec![tube(
                    &[
                        [-16.0, 30.0, -120.0],
                        [-22.0, 22.0, 20.0],
                        [-30.0, 0.0, 120.0],
                    ],
                    12.0,
                )],
            )
            .wander(3.0),
            organ(
                "aorta",
                165.0,
                70.0,
                vec![tube(
                    &[[8.0, 30.0, -105.0], [10.0, 27.0, 60.0], [22.0, 35.0, 260.0]],
                    11.5,
                )],
            )
            .wander(3.0),
            organ(
                "urinary_bladder",
                8.0,
                8.0,
                vec![ball(0.0, -30.0, -215.0, 42.0, 36.0, 34.0)],
            ),
            organ(
                "hip_left",
                300.0,
                80.0,
                vec![ball(92.0, 25.0, -175.0, 20.0, 45.0, 70.0)],
            ),
            organ(
                "hip_right",
                300.0,
                80.0,
                vec![ball(-92.0, 25.0, -175.0, 20.0, 45.0, 70.0)],
            ),
            organ(
                "sacrum",
                250.0,
                60.0,
                vec![ball(0.0, 68.0, -175.0, 48.0, 20.0, 55.0)],
            )
            .wander(3.0),
            Structure::filler(
                "discs",
                85.0,
                15.0,
                vec![tube(&[[0.0, 52.0, -140.0], [0.0, 54.0, 230.0]], 20.0)],
            ),
        ];
        for (name, z) in VERTEBRAE {
            s.push(
                organ(
                    name,
                    210.0,
                    60.0,
                    vec![
                        ball(0.0, 52.0, z, 25.0, 19.0, 14.5),
                        tube(&[[0.0, 84.0, z - 4.0], [0.0, 100.0, z - 12.0]], 6.0),
                        tube(
                            &[
                                [-40.0, 76.0, z],
                                [-18.0, 68.0, z],
                                [0.0, 84.0, z - 2.0],
                                [18.0, 68.0, z],
                                [40.0, 76.0, z],
                            ],
                            6.0,
                        ),
                    ],
                )
                .wander(1.5),
            );
        }
        s.push(Structure::filler(
            "spinal_canal",
            30.0,
            10.0,
            vec![tube(&[[0.0, 74.0, -140.0], [0.0, 74.0, 260.0]], 8.0)],
        ));
        Self {
            structures: s,
            atlas: None,
            surroundings: Vec::new(),
            hollow: Vec::new(),
            uneven: false,
            lesions: Vec::new(),
        }
    }
}

/// Loops of bowel on a loose lattice in the lower abdomen.
fn small_bowel() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for row in 0..4 {
        let z = -45.0 - 28.0 * f64::from(row);
        let swing = if row % 2 == 0 { 1.0 } else { -1.0 };
        shapes.push(Shape::tube(
            &[
                [-70.0 * swing, -30.0, z],
                [-25.0 * swing, -52.0, z - 8.0],
                [20.0 * swing, -28.0, z],
                [65.0 * swing, -40.0, z - 14.0],
            ],
            13.0,
        ));
    }
    shapes
}
