//! A whole life on each emulator: deployed, hit, looked at, destroyed.

use hitctl_emulators::Emulator;

use super::yard::AwsYard;

#[test]
fn a_second_deploy_changes_nothing() {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), "second", "");
    let first = yard.deploy(&["--json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let second = yard.deploy(&["--json"]);
    assert_eq!(second.code, 0, "{second:?}");
    let summary = &second.json()["summary"];
    assert_eq!(
        (&summary["create"], &summary["update"], &summary["replace"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(first.json()["outputs"]["url"], second.json()["outputs"]["url"]);
}
