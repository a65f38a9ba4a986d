//! The conformance case of the alias. Each change publishes a version and points the alias at it.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_resources::{AliasSpec, FunctionSpec, Spec as _};

use super::{function, function_name, with_function};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[Gap::Degrades {
    emulator: EmulatorKind::Moto,
    reason: "numbers a new version by the count of versions, so a number is reused after old versions were deleted",
}];

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let name = format!("{}:{}", app.base(), AliasSpec::NAME);
    let alias = |release: &str| {
        AliasSpec {
            function_name: function_name(app),
            release: release.to_owned(),
            weights: None,
            role_id: None,
        }
        .node("live", &name)
    };
    // A version contains the current state of the function, so each release changes the function too.
    let change = |label, release: &str, function: FunctionSpec| CaseChange {
        dependencies: vec![function.node("counter", &app.base())],
        ..CaseChange::new(label, alias(release))
    };
    let function = function::spec(app);
    let other_code = FunctionSpec { code_sha256: app.code_hash(1), ..function.clone() };
    let other_memory = FunctionSpec { memory_mb: 256, ..other_code.clone() };
    ConformanceCase {
        dependencies: with_function(app),
        node: alias("release-1"),
        changes: vec![
            change("a release with other code", "release-2", other_code),
            change("a release with more memory", "release-3", other_memory),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let listed = client.list_aliases().function_name(app.base()).send().await;
                // The call fails after the function was deleted too.
                listed.map_or(0, |listed| listed.aliases().len())
            }
            .boxed()
        },
        foreign_view: ForeignView::Ours,
    }
}
