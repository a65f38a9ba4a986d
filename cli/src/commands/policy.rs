//! `hitctl policy`: what has to be allowed, as IAM policies.

use hitctl_config::{Loaded, names};
use hitctl_resources::{RoleSpec, Spec as _};

use crate::commands::steps;
use crate::policy;
use crate::report::{Exit, Failure, PolicyView};
use crate::session::Session;
use crate::stack::{Code, Place};

/// Whose policy.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the least that whoever deploys this env has to be allowed
    Deployer(Args),
    /// Print what the deployed function is allowed
    Function(Args),
}

/// Where the env is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl policy deployer --env prod > deployer.json\n  aws iam create-policy --policy-name hitctl-prod --policy-document file://deployer.json"
)]
pub struct Args {
    /// The AWS account [default: `account` of the config, else any]
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub account: Option<String>,
}

/// Prints a policy. Asks nobody: credentials are not needed.
pub fn run(session: &mut Session, command: &Command) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let (Command::Deployer(args) | Command::Function(args)) = command;
    let place = place(&loaded, args);
    let policy = match command {
        Command::Deployer(_) => {
            session.console.talk(&format!(
                "who has this can give the role {} any right: a permissions boundary on it bounds that",
                names::role(&loaded.app.app, &loaded.env)
            ));
            let distribution = loaded.app.cloudfront.distribution_id.as_deref();
            policy::deployer(&loaded.app.app, &loaded.env, &place, distribution)
        }
        Command::Function(_) => policy::of_role(&role(&loaded, &place)?.statements),
    };
    if place.account == ANY || place.region == ANY {
        session
            .console
            .talk("what is not known is any: `--account` and `--region`, or both in hitctl.toml, narrow it");
    }
    session.console.result(&PolicyView { policy });
    Ok(Exit::Done)
}

/// Any account, any region.
const ANY: &str = "*";

fn place(loaded: &Loaded, args: &Args) -> Place {
    let region = loaded.app.region.clone();
    Place {
        partition: region.as_deref().map_or("aws", names::partition).to_owned(),
        region: region.unwrap_or_else(|| ANY.to_owned()),
        account: args
            .account
            .clone()
            .or_else(|| loaded.app.account.clone())
            .unwrap_or_else(|| ANY.to_owned()),
        has_versions: true,
        endpoint: None,
    }
}

/// The role as it would be deployed.
fn role(loaded: &Loaded, place: &Place) -> Result<RoleSpec, Failure> {
    let code = Code { sha256: String::new(), arch: loaded.app.function.arch };
    let graph = steps::design(loaded, place, &code)?;
    let spec = graph.node(&RoleSpec::address("function")).and_then(|node| node.spec()).cloned();
    let role = spec.and_then(|spec| serde_json::from_value(spec).ok());
    role.ok_or_else(|| Failure::new("design", "there is no role for the function"))
}

/// Twelve digits.
fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no AWS account: twelve digits"))
    }
}
