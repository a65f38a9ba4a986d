//! The graph of resources that the configuration asks for.

use hitctl_config::Loaded;
use hitctl_engine::{Graph, GraphError};
use hitctl_report::Failure;
use hitctl_resources::Place;
use hitctl_stack as stack;
use hitctl_stack::Code;

/// Designs the app around the built code; `None` where the function is not deployed.
pub(crate) fn design(loaded: &Loaded, place: &Place, code: Option<&Code>) -> Result<Graph, Failure> {
    stack::design(&loaded.app, &loaded.env, place, code).map_err(|error| unfit(&error))
}

/// The graph that removes an app: all its resources absent, and what an interrupted command may have left.
pub(crate) fn design_removal(loaded: &Loaded, place: &Place) -> Result<Graph, Failure> {
    let graph = design(loaded, place, None)?.all_absent();
    stack::with_leftovers(&graph, loaded).map_err(|error| unfit(&error))
}

fn unfit(error: &GraphError) -> Failure {
    Failure::new("design", format!("the parts do not fit together: {error}"))
        .hinted("this is a mistake in hitctl: please report it with your hitctl.toml")
}
