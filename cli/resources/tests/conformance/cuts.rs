//! What happens when a run is cut at its n-th writing call, for every n, in five ways: the next one or two bring everything
//! where it belongs, and there is one of it.

use hitctl_emulators::{Fault, Kind, Wire};
use hitctl_engine::Graph;
use tokio_util::sync::CancellationToken;

use crate::suite::Case;
use crate::world::World;
use crate::{Gap, gaps_of};

/// What is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Making it.
    Create,
    /// Changing all of it.
    Update,
    /// Removing it.
    Delete,
}

/// How it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The call does not arrive.
    Unsent,
    /// It is done, and its answer is lost: whoever calls does not know.
    Unanswered,
    /// It is answered with an error of the service.
    Refused,
    /// The deployer dies before it.
    DeadBefore,
    /// The deployer dies when it is done.
    DeadAfter,
}

const CUTS: [Cut; 5] = [Cut::Unsent, Cut::Unanswered, Cut::Refused, Cut::DeadBefore, Cut::DeadAfter];

/// Cuts that operation at every writing call.
pub(crate) async fn survive(kind: Kind, name: &str, op: Op, case: fn(&World) -> Case) {
    let wears = gaps_of(name).iter().any(|gap| matches!(gap, Gap::Wears { by, .. } if *by == kind));
    for cut in CUTS {
        let mut app = App::new(kind, name, case);
        let mut n = 1;
        while app.cut_at(n, cut, op).await {
            let there = (app.case.count)(&app.world).await;
            let wanted = usize::from(op != Op::Delete);
            assert_eq!(there, wanted, "{kind:?}: {op:?} with {cut:?} at write {n}");
            n += 1;
            if wears {
                app.end().await;
                app = App::new(kind, name, case);
            }
        }
        assert!(n > 1, "{kind:?}: {op:?} wrote nothing that could be cut");
        app.end().await;
    }
}

/// An app that is deployed by a wire.
struct App {
    world: World,
    case: Case,
    wire: Wire,
}

impl App {
    fn new(kind: Kind, name: &str, case: fn(&World) -> Case) -> Self {
        let world = World::new(kind, name);
        let case = case(&world);
        let wire = Wire::new(world.endpoint());
        Self { world, case, wire }
    }

    async fn end(&self) {
        self.world.deploy(&self.case.with().all_absent().deleting_data()).await;
    }

    /// Does that, cut at the n-th writing call. `false`: it made fewer of them, and so was not cut.
    async fn cut_at(&self, n: usize, cut: Cut, op: Op) -> bool {
        let case = &self.case;
        let changed = case.changed(case.largest(self.world.kind()));
        let (from, to) = match op {
            Op::Create => (case.without(), case.with()),
            Op::Update => (case.with(), changed),
            Op::Delete => (case.with(), case.without()),
        };
        let (from, to) = (from.deleting_data(), to.deleting_data());
        cut_at(&self.world, &self.wire, n, cut, &from, &to).await
    }
}

/// Goes from one state to the other with a cut at the n-th writing call, and then without. `false`: it made fewer of them,
/// and so was not cut.
async fn cut_at(world: &World, wire: &Wire, n: usize, cut: Cut, from: &Graph, to: &Graph) -> bool {
    let what = format!("{:?}: {cut:?} at write {n}", world.kind());
    settle(world, from, &what).await;
    let dead = CancellationToken::new();
    let die = {
        let dead = dead.clone();
        move || dead.cancel()
    };
    wire.reset();
    wire.at_write(
        n,
        match cut {
            Cut::Unsent => Fault::Cut,
            Cut::Unanswered => Fault::LostAnswer,
            Cut::Refused => Fault::server_error(),
            Cut::DeadBefore => Fault::before(die),
            Cut::DeadAfter => Fault::after(die),
        },
    );
    // Dropping what runs is what death looks like from inside: nothing of it runs on.
    let ended = dead.run_until_cancelled(world.deploy_by(wire.endpoint(), to)).await;
    wire.heal();
    let reached = wire.writes().len() >= n;
    let said = wire.names();
    if let Some(outcome) = ended {
        let outcome =
            outcome.unwrap_or_else(|| panic!("{what}: a cut of a write is not in the way of reads"));
        if outcome.is_ok() {
            // No false success: what it says is done is done.
            let open = world.open(&world.plan(to).await.1);
            assert!(open.is_empty(), "{what}: said to be done, but {open:#?} after {said:#?}");
        } else {
            assert!(reached, "{what}: {:#?}", outcome.failed);
            let hinted = outcome.failed.iter().all(|failed| failed.fault.hint.is_some());
            assert!(hinted, "{what}: no hint in {:#?}", outcome.failed);
        }
    }
    settle(world, to, &what).await;
    reached
}

/// Deploys until nothing is left to do, at most twice.
async fn settle(world: &World, graph: &Graph, what: &str) {
    let mut failed = Vec::new();
    for _ in 0..2 {
        if world.open(&world.plan(graph).await.1).is_empty() {
            return;
        }
        let outcome = world.deploy_by(world.endpoint(), graph).await.expect("it can be read");
        failed = outcome.failed;
    }
    let open = world.open(&world.plan(graph).await.1);
    assert!(open.is_empty(), "{what}: two runs after the cut {open:#?} is left, after {failed:#?}");
}
