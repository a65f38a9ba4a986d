//! Checks that folders do not import each other in cycles, and that import cycles within a folder have at most three files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::imports::Imports;
use super::workspace::{members, root, source_root};

/// The maximum number of files in an import cycle within one folder.
const MAX_CYCLE_FILES: usize = 3;

type ImportGraph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

#[test]
fn import_cycles_are_small_and_within_one_folder() {
    let workspace = root();
    let mut found = Vec::new();
    for root in members().iter().filter_map(|member| source_root(member)) {
        let imports = Imports::of_crate(&root);
        let source = root.parent().unwrap();
        let edges: ImportGraph =
            imports.edges.iter().map(|(file, to)| (file.clone(), to.keys().cloned().collect())).collect();
        let mut folders: BTreeSet<PathBuf> = edges.keys().flat_map(|file| parents(file, source)).collect();
        folders.insert(source.to_path_buf());
        for folder in folders {
            for cycle in cycles(&children_graph(&edges, &folder)) {
                let is_folder = |unit: &PathBuf| {
                    let unit = unit.with_extension("");
                    unit != folder && has_modules(&unit)
                };
                let has_folder = cycle.iter().any(is_folder);
                if has_folder || cycle.len() > MAX_CYCLE_FILES {
                    found.push(describe(&cycle, &imports, &folder, &workspace));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} import cycles:\n\n{}", found.len(), found.join("\n"));
}

/// Whether a folder exists and contains modules other than `tests`.
fn has_modules(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.flatten().any(|entry| entry.path().file_stem().is_some_and(|name| name != "tests"))
}

/// Returns the folders that contain a file, below the crate's source folder.
fn parents(file: &Path, source: &Path) -> Vec<PathBuf> {
    file.ancestors().skip(1).take_while(|folder| *folder != source).map(Path::to_path_buf).collect()
}

/// Returns the imports between the direct children of a folder: its files and its subfolders. A file `x.rs` and a
/// folder `x` are one child.
fn children_graph(edges: &ImportGraph, folder: &Path) -> ImportGraph {
    let unit = |file: &Path| {
        if file == folder.with_extension("rs") {
            return Some(file.to_path_buf());
        }
        let first = file.strip_prefix(folder).ok()?.components().next()?;
        let unit = folder.join(first);
        let subfolder = unit.with_extension("");
        Some(if subfolder.is_dir() { subfolder } else { unit })
    };
    let mut graph = ImportGraph::new();
    for (file, to) in edges {
        let Some(from) = unit(file) else { continue };
        let targets = to.iter().filter_map(|file| unit(file)).filter(|target| *target != from);
        graph.entry(from.clone()).or_default().extend(targets);
    }
    graph
}

/// Returns the sets of nodes that can all reach each other.
fn cycles(graph: &ImportGraph) -> Vec<Vec<PathBuf>> {
    let reach: BTreeMap<_, _> = graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for node in graph.keys().filter(|node| reach[node].contains(*node)) {
        if seen.contains(node) {
            continue;
        }
        let cycle: Vec<_> = reach[node].iter().filter(|other| reach[other].contains(node)).cloned().collect();
        seen.extend(cycle.iter().cloned());
        found.push(cycle);
    }
    found
}

fn reachable(graph: &ImportGraph, from: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for target in graph.get(node).into_iter().flatten() {
            if found.insert(target.clone()) {
                next.push(target);
            }
        }
    }
    found
}

/// Formats a cycle with the imports that form it.
fn describe(cycle: &[PathBuf], imports: &Imports, folder: &Path, workspace: &Path) -> String {
    let short = |path: &Path| path.strip_prefix(workspace).unwrap().display().to_string();
    let unit = |file: &Path| {
        cycle
            .iter()
            .find(|unit| file.starts_with(unit) || file == **unit || file.with_extension("") == **unit)
    };
    let mut text = format!("{}: cycle of {}\n", short(folder), cycle.len());
    for (from, to) in &imports.edges {
        for (target, name) in to {
            if let (Some(a), Some(b)) = (unit(from), unit(target))
                && a != b
            {
                text.extend(["  ", &short(from), " -> ", &short(target), " (", name, ")\n"]);
            }
        }
    }
    text
}
