//! The graph of resources that the configuration asks for.

use hitctl_config::LoadedConfig;
use hitctl_engine::{Graph, GraphError};
use hitctl_report::Failure;
use hitctl_resources::CloudLocation;
use hitctl_stack as stack;
use hitctl_stack::FunctionArtifact;

/// Designs the app around the built code; `None` where the function is not deployed.
pub(crate) fn design(
    loaded: &LoadedConfig,
    location: &CloudLocation,
    code: Option<&FunctionArtifact>,
) -> Result<Graph, Failure> {
    stack::resource_graph(&loaded.app, &loaded.env, location, code).map_err(|error| design_failure(&error))
}

/// The graph that removes an app: all its resources absent, and what an interrupted command may have left.
pub(crate) fn design_removal(loaded: &LoadedConfig, location: &CloudLocation) -> Result<Graph, Failure> {
    let graph = design(loaded, location, None)?.all_absent();
    stack::with_leftovers(&graph, loaded).map_err(|error| design_failure(&error))
}

fn design_failure(error: &GraphError) -> Failure {
    Failure::new(
        "design",
        format!("internal error: the resource graph is invalid: {error}; please report it"),
    )
    .hinted("include your hitctl.toml in the report")
}
