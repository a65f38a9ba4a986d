//! Reads and changes the resource policy of a function, which allows others to call the function. A statement with
//! one of our ids is ours. AWS loses statements if several are added or removed concurrently, so this module
//! serializes and verifies all writes.

mod statement;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::FunctionUrlAuthType;
use hitctl_engine::{DriverContext, Fault};
use tokio::sync::Mutex;

use crate::aws::call::ApiCall;
use crate::aws::fault::{ApiOperation, NOT_FOUND};
use crate::aws::lambda::QualifiedFunction;
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
pub(crate) use statement::{Grant, PolicyStatement, single_text};

/// Serializes the writes to function policies in this process.
static WRITE_LOCK: Mutex<()> = Mutex::const_new(());

/// The policy of a function or of an alias; each has its own. The client must have no SDK retries, because each
/// attempt must first read the existing statements; [`DriverContext::retry`] repeats the attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunctionPolicy<'a> {
    pub(crate) client: &'a Client,
    pub(crate) target: QualifiedFunction<'a>,
}

impl FunctionPolicy<'_> {
    fn call<'c>(&self, cx: &'c DriverContext, verb: &'static str, operation: &'static str) -> ApiCall<'c> {
        ApiCall::new(cx, ApiOperation::new(verb, self.description(), operation))
    }

    fn description(&self) -> String {
        format!("the policy of function {}", self.target)
    }

    /// Returns the statements. Returns none if the policy or the function does not exist.
    pub(crate) async fn read(&self, cx: &DriverContext) -> Result<Vec<PolicyStatement>, Fault> {
        let call = self.call(cx, "read", "lambda:GetPolicy");
        self.statements(call.retrying(&READ, "reading the function's policy")).await
    }

    async fn read_once(&self, cx: &DriverContext) -> Result<Vec<PolicyStatement>, Fault> {
        self.statements(self.call(cx, "read", "lambda:GetPolicy").once()).await
    }

    async fn statements(&self, call: ApiCall<'_>) -> Result<Vec<PolicyStatement>, Fault> {
        let QualifiedFunction { function, qualifier } = self.target;
        let request = self.client.get_policy().function_name(function).set_qualifier(self.target.qualifier());
        let Some(response) = call.find(|| request.clone().send()).await? else { return Ok(Vec::new()) };
        let statements = PolicyStatement::parse_all(response.policy().unwrap_or_default())?;
        Ok(statements.into_iter().filter(|statement| statement.applies_to(function, qualifier)).collect())
    }

    /// Adds the missing grants, and returns when all of them are visible.
    pub(crate) async fn grant(&self, cx: &DriverContext, grants: &[Grant]) -> Result<(), Fault> {
        let _guard = WRITE_LOCK.lock().await;
        cx.retry(&WRITE, "granting permission to invoke the function", || async {
            let existing = self.read_once(cx).await?;
            let missing = missing_grants(grants, &existing);
            for grant in &missing {
                if existing.iter().any(|statement| statement.grant.sid == grant.sid) {
                    self.remove_permission(cx, &grant.sid).await?;
                }
                self.add_permission(cx, grant).await?;
            }
            if missing.is_empty() {
                return Ok(());
            }
            match missing_grants(grants, &self.read_once(cx).await?).first() {
                None => Ok(()),
                Some(grant) => Err(self.not_visible_error(&grant.sid)),
            }
        })
        .await
    }

    /// Replaces the statement with the id of `grant` without a gap: the new statement is added under the unused one
    /// of the two [`statement_ids`], and then the old statement is removed.
    pub(crate) async fn replace(&self, cx: &DriverContext, grant: &Grant) -> Result<(), Fault> {
        let _guard = WRITE_LOCK.lock().await;
        let [id, other] = statement_ids(&grant.sid);
        let find_exact = |existing: &[PolicyStatement]| {
            let with_sid = |sid: &String| Grant { sid: sid.clone(), ..grant.clone() };
            [&id, &other]
                .into_iter()
                .find(|sid| missing_grants(&[with_sid(sid)], existing).is_empty())
                .cloned()
        };
        cx.retry(&WRITE, "granting permission to invoke the function", || async {
            let existing = self.read_once(cx).await?;
            let contains = |existing: &[PolicyStatement], sid: &str| {
                existing.iter().any(|statement| statement.grant.sid == sid)
            };
            let current = if let Some(current) = find_exact(&existing) {
                current
            } else {
                let unused = if contains(&existing, &id) { &other } else { &id };
                if contains(&existing, unused) {
                    self.remove_permission(cx, unused).await?;
                }
                self.add_permission(cx, &Grant { sid: unused.clone(), ..grant.clone() }).await?;
                find_exact(&self.read_once(cx).await?).ok_or_else(|| self.not_visible_error(unused))?
            };
            for old in [&id, &other].into_iter().filter(|sid| **sid != current && contains(&existing, sid)) {
                self.remove_permission(cx, old).await?;
            }
            Ok(())
        })
        .await
    }

    fn not_visible_error(&self, sid: &str) -> Fault {
        let why = format!("statement {sid} is not visible yet");
        Fault::transient("not_in_policy", format!("failed to change {}: {why}", self.description()))
    }

    /// Removes the statements with both [`statement_ids`] of `sid`.
    pub(crate) async fn revoke_with_alternate(&self, cx: &DriverContext, sid: &str) -> Result<(), Fault> {
        self.revoke(cx, &[sid]).await?;
        let [_, other] = statement_ids(sid);
        let existing = self.read(cx).await?;
        if existing.iter().any(|statement| statement.grant.sid == other) {
            self.revoke(cx, &[&other]).await?;
        }
        Ok(())
    }

    /// Removes the statements with the given ids. Missing statements are not an error.
    pub(crate) async fn revoke(&self, cx: &DriverContext, sids: &[&str]) -> Result<(), Fault> {
        let _guard = WRITE_LOCK.lock().await;
        cx.retry(&WRITE, "revoking permission to invoke the function", || async {
            for sid in sids {
                self.remove_permission(cx, sid).await?;
            }
            Ok(())
        })
        .await
    }

    async fn add_permission(&self, cx: &DriverContext, grant: &Grant) -> Result<(), Fault> {
        let request = self
            .client
            .add_permission()
            .function_name(self.target.function)
            .set_qualifier(self.target.qualifier())
            .statement_id(&grant.sid)
            .action(&grant.action)
            .principal(&grant.principal)
            .set_source_arn(grant.source_arn.clone())
            .set_source_account(grant.source_account.clone())
            .set_function_url_auth_type(grant.url_auth_type.as_deref().map(FunctionUrlAuthType::from))
            .set_invoked_via_function_url(grant.via_url.then_some(true));
        // If a statement with this id already exists, the caller checks whether it is the wanted one.
        let call = self.call(cx, "add a statement to", "lambda:AddPermission").once();
        let call = call.retry_on(NOT_FOUND).none_on_message(CONFLICT, "already exist");
        call.find(|| request.clone().send()).await.map(drop)
    }

    async fn remove_permission(&self, cx: &DriverContext, sid: &str) -> Result<(), Fault> {
        let request = self.client.remove_permission().function_name(self.target.function).statement_id(sid);
        let request = request.set_qualifier(self.target.qualifier());
        let call = self.call(cx, "remove a statement from", "lambda:RemovePermission").once();
        call.find(|| request.clone().send()).await.map(drop)
    }
}

/// Returns the two ids that a statement may have. A statement is replaced by adding the new one under the unused
/// id, because two statements cannot have the same id.
pub(crate) fn statement_ids(sid: &str) -> [String; 2] {
    [sid.to_owned(), format!("{sid}-2")]
}

/// Returns the grants for which no identical statement exists.
fn missing_grants<'a>(grants: &'a [Grant], existing: &[PolicyStatement]) -> Vec<&'a Grant> {
    grants.iter().filter(|grant| !existing.iter().any(|statement| statement.is_exactly(grant))).collect()
}
