//! Creates the graph of resources from the configuration.

use hitctl_config::LoadedConfig;
use hitctl_engine::{Graph, GraphError};
use hitctl_report::Failure;
use hitctl_resources::CloudLocation;
use hitctl_stack as stack;
use hitctl_stack::FunctionArtifact;

/// Returns the resource graph of the app. `code` is the built function, or `None` if the command does not deploy it.
pub(crate) fn design(
    config: &LoadedConfig,
    location: &CloudLocation,
    code: Option<&FunctionArtifact>,
) -> Result<Graph, Failure> {
    stack::resource_graph(&config.app, &config.env, location, code).map_err(|error| design_failure(&error))
}

/// Returns the graph that removes an app. All its resources are absent, including those left over from interrupted
/// commands.
pub(crate) fn design_removal(config: &LoadedConfig, location: &CloudLocation) -> Result<Graph, Failure> {
    let graph = design(config, location, None)?.all_absent();
    stack::with_leftovers(&graph, config).map_err(|error| design_failure(&error))
}

fn design_failure(error: &GraphError) -> Failure {
    Failure::new("design", "internal error: the resource graph is invalid; please report it")
        .caused_by(error.to_string())
        .hinted(concat!(
            "report it at ",
            env!("CARGO_PKG_REPOSITORY"),
            "/issues and include your hitctl.toml"
        ))
}
