//! Resources that an interrupted command may have left behind. `destroy` removes them with all other resources.

use hitctl_config::{DeployTarget, LoadedConfig, names};
use hitctl_engine::{Graph, GraphError, Node};
use hitctl_resources::{FunctionSpec, RoleSpec, Spec as _};
use serde_json::json;

/// Returns an absent node for the function copy that `tune` measures; `None` if the name of a copy would be too long.
pub fn tuned_function(app: &str, env: &str) -> Option<Node> {
    let name = names::tuned_function(app, env)?;
    Some(
        Node::present(FunctionSpec::address("tune"), name, json!({}))
            .with_secret_fields(FunctionSpec::SECRET_FIELDS)
            .absent(),
    )
}

/// Adds the resources that a killed `tune` and an interrupted renewal of a KMS grant may have left behind, as absent nodes.
pub fn with_leftovers(graph: &Graph, loaded: &LoadedConfig) -> Result<Graph, GraphError> {
    let mut nodes = graph.nodes().to_vec();
    if loaded.target == DeployTarget::Aws {
        let (app, env) = (&loaded.app.app, &loaded.env);
        nodes.extend(tuned_function(app, env));
        let functions = [("grant", names::function(app, env)), ("reader_grant", names::reader(app, env))];
        nodes.extend(functions.map(|(role, function)| {
            Node::present(RoleSpec::address(role), names::grant_role(&function), json!({})).absent()
        }));
    }
    Graph::new(nodes)
}
