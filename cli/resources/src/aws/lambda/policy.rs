//! The policy of a function: who but its owner may call it. Each statement in it is ours by its id.
//!
//! AWS loses statements of one function that are added or removed at the same time, so that everything here that writes
//! takes turns, and looks at what came of it.

mod statement;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::FunctionUrlAuthType;
use hitctl_engine::{Cx, Fault};
use tokio::sync::Mutex;

use crate::aws::call::Call;
use crate::aws::fault::{Doing, NOT_FOUND};
use crate::aws::lambda::Qualified;
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
pub(crate) use statement::{Grant, Statement, sole_text};

/// One writer of function policies at a time, in this process.
static TURN: Mutex<()> = Mutex::const_new(());

/// The policy of a function, or of an alias of it: each has one of its own. The client leaves all trying again to
/// [`Cx::wait`], which looks at what is there in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) client: &'a Client,
    pub(crate) of: Qualified<'a>,
}

impl Policy<'_> {
    fn call<'c>(&self, cx: &'c Cx, verb: &'static str, operation: &'static str) -> Call<'c> {
        Call::new(cx, Doing::new(verb, self.what(), operation))
    }

    fn what(&self) -> String {
        format!("the policy of function {}", self.of)
    }

    /// Its statements; none where there is no policy, or no function.
    pub(crate) async fn read(&self, cx: &Cx) -> Result<Vec<Statement>, Fault> {
        let call = self.call(cx, "read", "lambda:GetPolicy");
        self.statements(call.retrying(&READ, "reading the function's policy")).await
    }

    async fn get(&self, cx: &Cx) -> Result<Vec<Statement>, Fault> {
        self.statements(self.call(cx, "read", "lambda:GetPolicy").once()).await
    }

    async fn statements(&self, call: Call<'_>) -> Result<Vec<Statement>, Fault> {
        let Qualified { function, qualifier } = self.of;
        let request = self.client.get_policy().function_name(function).set_qualifier(self.of.qualifier());
        let Some(found) = call.find(|| request.clone().send()).await? else { return Ok(Vec::new()) };
        let all = Statement::all(found.policy().unwrap_or_default())?;
        Ok(all.into_iter().filter(|it| it.is_of(function, qualifier)).collect())
    }

    /// Adds what is not in it as wanted, and returns once all is.
    pub(crate) async fn grant(&self, cx: &Cx, grants: &[Grant]) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        cx.wait(&WRITE, "letting the function be called", || async {
            let there = self.get(cx).await?;
            let missing = absent(grants, &there);
            for grant in &missing {
                if there.iter().any(|statement| statement.grant.sid == grant.sid) {
                    self.remove(cx, &grant.sid).await?;
                }
                self.add(cx, grant).await?;
            }
            if missing.is_empty() {
                return Ok(());
            }
            match absent(grants, &self.get(cx).await?).first() {
                None => Ok(()),
                Some(grant) => Err(self.not_yet(&grant.sid)),
            }
        })
        .await
    }

    /// Exchanges the statement of that grant's id for the grant, in such an order that one of both is always there: the new
    /// one gets the other one of its [`ids`], and then the old one goes.
    pub(crate) async fn exchange(&self, cx: &Cx, grant: &Grant) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        let [id, other] = ids(&grant.sid);
        let exact = |there: &[Statement]| {
            let of = |sid: &String| Grant { sid: sid.clone(), ..grant.clone() };
            [&id, &other].into_iter().find(|sid| absent(&[of(sid)], there).is_empty()).cloned()
        };
        cx.wait(&WRITE, "letting the function be called", || async {
            let there = self.get(cx).await?;
            let has = |there: &[Statement], sid: &str| there.iter().any(|one| one.grant.sid == sid);
            let kept = if let Some(kept) = exact(&there) {
                kept
            } else {
                let free = if has(&there, &id) { &other } else { &id };
                if has(&there, free) {
                    self.remove(cx, free).await?;
                }
                self.add(cx, &Grant { sid: free.clone(), ..grant.clone() }).await?;
                exact(&self.get(cx).await?).ok_or_else(|| self.not_yet(free))?
            };
            for old in [&id, &other].into_iter().filter(|sid| **sid != kept && has(&there, sid)) {
                self.remove(cx, old).await?;
            }
            Ok(())
        })
        .await
    }

    fn not_yet(&self, sid: &str) -> Fault {
        let why = format!("statement {sid} is not in it yet");
        Fault::transient("not_in_policy", format!("failed to change {}: {why}", self.what()))
    }

    /// Removes the statement of that id, and of the other one of its [`ids`].
    pub(crate) async fn revoke_exchanged(&self, cx: &Cx, sid: &str) -> Result<(), Fault> {
        self.revoke(cx, &[sid]).await?;
        let [_, other] = ids(sid);
        let there = self.read(cx).await?;
        if there.iter().any(|statement| statement.grant.sid == other) {
            self.revoke(cx, &[&other]).await?;
        }
        Ok(())
    }

    /// Removes the statements of those ids; what is gone is gone.
    pub(crate) async fn revoke(&self, cx: &Cx, sids: &[&str]) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        cx.wait(&WRITE, "no longer letting the function be called", || async {
            for sid in sids {
                self.remove(cx, sid).await?;
            }
            Ok(())
        })
        .await
    }

    async fn add(&self, cx: &Cx, grant: &Grant) -> Result<(), Fault> {
        let request = self
            .client
            .add_permission()
            .function_name(self.of.function)
            .set_qualifier(self.of.qualifier())
            .statement_id(&grant.sid)
            .action(&grant.action)
            .principal(&grant.principal)
            .set_source_arn(grant.source_arn.clone())
            .set_source_account(grant.source_account.clone())
            .set_function_url_auth_type(grant.url_auth_type.as_deref().map(FunctionUrlAuthType::from))
            .set_invoked_via_function_url(grant.via_url.then_some(true));
        // Whether what is there already is as wanted is looked at afterwards.
        let call = self.call(cx, "add to", "lambda:AddPermission").once();
        let call = call.retry_on(NOT_FOUND).none_on_message(CONFLICT, "already exist");
        call.find(|| request.clone().send()).await.map(drop)
    }

    async fn remove(&self, cx: &Cx, sid: &str) -> Result<(), Fault> {
        let request = self.client.remove_permission().function_name(self.of.function).statement_id(sid);
        let request = request.set_qualifier(self.of.qualifier());
        let call = self.call(cx, "remove from", "lambda:RemovePermission").once();
        call.find(|| request.clone().send()).await.map(drop)
    }
}

/// The two ids that a statement may have: it is exchanged by adding the new one under the id that is free.
pub(crate) fn ids(sid: &str) -> [String; 2] {
    [sid.to_owned(), format!("{sid}-2")]
}

/// What of it is not there as wanted.
fn absent<'a>(grants: &'a [Grant], there: &[Statement]) -> Vec<&'a Grant> {
    grants.iter().filter(|grant| !there.iter().any(|statement| statement.is_exactly(grant))).collect()
}
