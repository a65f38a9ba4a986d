//! Every way of counting, on an emulator that runs the function.

use hitctl_emulators::Emulator;

use super::scene::left;
use super::yard::AwsYard;
use crate::rules::{Site, every_way_of_counting};
use crate::support::DEFAULTS;

#[test]
fn every_way_of_counting_works_on_ministack() {
    let emulator = Emulator::ministack();
    let yard = AwsYard::new(emulator.endpoint(), "rules", DEFAULTS);
    every_way_of_counting(&Site {
        run: &|args| yard.run(args),
        configure: &|settings| yard.configure(settings),
    });
    assert_eq!(left(emulator, "rules").len(), 8, "two tables, log group, two functions with roles, and API");
}
