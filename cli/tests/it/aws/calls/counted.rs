//! The calls of the commands on counts and paths.

use super::{Scene, calls};

/// Every one of them, in turn.
pub(super) fn all(scene: &mut Scene) {
    insta::assert_snapshot!(calls(scene, &["counts", "list"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "get", "/", "/a"]), @"
    looks
      dynamodb:BatchGetItem x2
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "export"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "add", "/a", "2"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "set", "/b", "3", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "rename", "/b", "/c"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "merge", "/a", "/c", "--yes"]), @"
    looks
      dynamodb:BatchGetItem
      dynamodb:GetItem
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "reset", "/c", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(scene, &["counts", "delete", "/c", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      dynamodb:GetItem
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    scene.yard.yard.write("more.csv", "path,hits\n/d,7\n");
    insta::assert_snapshot!(calls(scene, &["counts", "import", "more.csv"]), @"
    looks
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    scene.yard.yard.write("sitemap.xml", "<urlset><url><loc>https://me.example/new</loc></url></urlset>");
    insta::assert_snapshot!(calls(scene, &["paths", "sync", "sitemap.xml", "--dry-run"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["paths", "sync", "sitemap.xml"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:PutItem
    ");
    insta::assert_snapshot!(calls(scene, &["paths", "list"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
}
