//! The conformance case of the function URL.

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_resources::{Cors, FunctionUrlSpec, Spec as _};

use super::{cors, function_name, other_cors, set, with_function};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let url = FunctionUrlSpec {
        function_name: function_name(app),
        qualifier: None,
        auth_type: "NONE".to_owned(),
        allowed_actions: set(&FunctionUrlSpec::ACTIONS),
        cors: cors(),
    };
    let change = |label, spec: &FunctionUrlSpec| CaseChange::new(label, spec.node("counter", &app.base()));
    let origins = Cors { allow_origins: set(&["*"]), ..cors() };
    ConformanceCase {
        dependencies: with_function(app),
        node: url.node("counter", &app.base()),
        changes: vec![
            change("origins", &FunctionUrlSpec { cors: origins, ..url.clone() }),
            change("everything", &FunctionUrlSpec { cors: other_cors(), ..url.clone() }),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let found = client.get_function_url_config().function_name(app.base()).send().await;
                usize::from(found.is_ok())
            }
            .boxed()
        },
        foreign_view: ForeignView::Ours,
    }
}
