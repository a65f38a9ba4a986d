//! The counting rules on an emulator that runs the function.

use hitctl_emulators::Emulator;

use super::recorded_env::remaining_resources;
use super::test_env::AwsTestEnv;
use crate::rules::{TestedDeployment, check_counting_rules};
use crate::support::DEFAULTS;

#[test]
fn counting_rules_apply_on_ministack() {
    let emulator = Emulator::ministack();
    let aws_env = AwsTestEnv::new(emulator.endpoint(), "rules", DEFAULTS);
    check_counting_rules(&TestedDeployment {
        run: &|args| aws_env.run(args),
        configure: &|settings| aws_env.configure(settings),
    });
    assert_eq!(
        remaining_resources(emulator, "rules").len(),
        8,
        "two tables, log group, two functions with roles, and API"
    );
}
