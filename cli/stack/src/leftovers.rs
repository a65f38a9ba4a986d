//! Resources that an interrupted command may have left, which `destroy` removes with the rest.

use hitctl_config::{Loaded, Target, names};
use hitctl_engine::{Graph, GraphError, Node};
use hitctl_resources::{FunctionSpec, RoleSpec, Spec as _};
use serde_json::json;

/// The copy of the function that `tune` measures, as an absent node. `None` where its name would be too long, so that none can exist.
pub fn tuned_function(app: &str, env: &str) -> Option<Node> {
    let name = names::tuned_function(app, env)?;
    Some(Node::present(FunctionSpec::address("tune"), name, json!({})).hiding(FunctionSpec::SECRET).absent())
}

/// Adds what a killed `tune` and an interrupted renewal of a KMS grant may have left in the account, as absent nodes.
pub fn with_leftovers(graph: &Graph, loaded: &Loaded) -> Result<Graph, GraphError> {
    let mut nodes = graph.nodes().to_vec();
    if loaded.target == Target::Aws {
        let (app, env) = (&loaded.app.app, &loaded.env);
        nodes.extend(tuned_function(app, env));
        let functions = [("grant", names::function(app, env)), ("reader_grant", names::reader(app, env))];
        nodes.extend(functions.map(|(role, function)| {
            Node::present(RoleSpec::address(role), names::grant_role(&function), json!({})).absent()
        }));
    }
    Graph::new(nodes)
}
