//! `hitctl policy`: prints IAM policies for the deployer and the function.

use hitctl_config::{LoadedConfig, names};
use hitctl_report::{Exit, Failure, PolicyView};
use hitctl_resources::{CloudLocation, RoleSpec};
use hitctl_stack::{address, policy};
use serde_json::Value as Json;

use crate::deployment::design::design;
use crate::session::Session;

/// Subcommands of `policy`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    Deployer(DeployerArgs),
    Function(Args),
}

/// Print the IAM policy for deploying
///
/// Attach it as a managed policy: it is too long for an inline policy of a user. With long names it may exceed one managed
/// policy; then it is a list of documents, and `--part` prints one of them.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl policy deployer --env prod > deployer.json\n  aws iam create-policy --policy-name hitctl-prod --policy-document file://deployer.json"
)]
pub struct DeployerArgs {
    /// The account for which the policy is printed.
    #[command(flatten)]
    pub target: Args,
    /// Print only this document of several
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub part: Option<u64>,
}

/// Print the policy of the deployed function
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl policy function --env prod\n  hitctl policy function --env prod --account 123456789012"
)]
pub struct Args {
    /// AWS account [default: `account` in hitctl.toml, or any]
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    pub account: Option<String>,
}

/// Prints a policy. Makes no calls and needs no credentials.
pub fn run(session: &mut Session, command: &Command) -> Result<Exit, Failure> {
    let config = session.load()?;
    let (Command::Deployer(DeployerArgs { target: args, .. }) | Command::Function(args)) = command;
    let location = location(&config, args);
    let policy = match command {
        Command::Deployer(DeployerArgs { part, .. }) => {
            session.console.message(&format!(
                "this policy allows giving any permission to the role {}; attach a permissions boundary to the role to limit that",
                names::role(&config.app.app, &config.env)
            ));
            let distribution = config.app.cloudfront.distribution_id.as_deref();
            let parts = policy::deployer_policies(&config.app.app, &config.env, &location, distribution);
            select_part(session, parts, *part)?
        }
        Command::Function(_) => policy::role_policy(&role(&config, &location)?.statements),
    };
    if location.account == ANY || location.region == ANY {
        session.console.message(
            "without an account or a region, the policy covers all of them; to narrow it, pass `--account` and `--region`, or set both in hitctl.toml",
        );
    }
    session.console.result(&PolicyView { policy });
    Ok(Exit::Done)
}

/// Returns the document to print: the document with the number `part`, the only document, or a list of all documents.
fn select_part(session: &mut Session, mut parts: Vec<Json>, part: Option<u64>) -> Result<Json, Failure> {
    let count = parts.len();
    session.console.message(
        "attach this policy as a managed policy: it is too long for an inline policy of a user or group",
    );
    match part.map(|part| usize::try_from(part).unwrap_or(usize::MAX)) {
        Some(part) if part <= count => Ok(parts.swap_remove(part - 1)),
        Some(part) => Err(Failure::usage(format!("expected a part from 1 to {count}, found {part}"))),
        None if count == 1 => Ok(parts.swap_remove(0)),
        None => {
            session.console.message(&format!(
                "the policy has {count} documents, because a managed policy has at most {} characters; print each with `--part N` and attach all",
                policy::MAX_POLICY_CHARS
            ));
            Ok(Json::Array(parts))
        }
    }
}

/// The wildcard for any account or any region.
const ANY: &str = "*";

fn location(config: &LoadedConfig, args: &Args) -> CloudLocation {
    let region = config.app.region.clone();
    CloudLocation {
        partition: region.as_deref().map_or("aws", names::partition_name).to_owned(),
        region: region.unwrap_or_else(|| ANY.to_owned()),
        account: args
            .account
            .clone()
            .or_else(|| config.app.account.clone())
            .unwrap_or_else(|| ANY.to_owned()),
        has_versions: true,
        endpoint: None,
    }
}

/// Returns the function's role as a deploy would create it.
fn role(config: &LoadedConfig, location: &CloudLocation) -> Result<RoleSpec, Failure> {
    let graph = design(config, location, None)?;
    let spec = graph.node(&address::function_role()).and_then(|node| node.spec()).cloned();
    let role = spec.and_then(|spec| serde_json::from_value(spec).ok());
    role.ok_or_else(|| {
        Failure::new(
            "design",
            "internal error: the resource graph has no role for the function; please report it",
        )
    })
}

/// Parses an AWS account ID, which has twelve digits.
fn parse_account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected an AWS account of twelve digits, found {text:?}"))
    }
}
