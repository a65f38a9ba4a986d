//! Snapshots of the calls of the commands on counts and paths.

use super::{RecordedAwsEnv, calls};

/// Runs every command on counts and paths, and checks its calls.
pub(super) fn all(aws_env: &mut RecordedAwsEnv) {
    insta::assert_snapshot!(calls(aws_env, &["counts", "list"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "get", "/", "/a"]), @"
    looks
      dynamodb:BatchGetItem x2
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "export"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "add", "/a", "2"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "set", "/b", "3", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "rename", "/b", "/c"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "merge", "/a", "/c", "--yes"]), @"
    looks
      dynamodb:BatchGetItem
      dynamodb:GetItem
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "reset", "/c", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    insta::assert_snapshot!(calls(aws_env, &["counts", "delete", "/c", "--confirm", "test"]), @"
    looks
      dynamodb:BatchGetItem
      dynamodb:GetItem
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    aws_env.env.base.write("more.csv", "path,hits\n/d,7\n");
    insta::assert_snapshot!(calls(aws_env, &["counts", "import", "more.csv"]), @"
    looks
      sts:GetCallerIdentity
    writes
      dynamodb:TransactWriteItems
    ");
    aws_env.env.base.write("sitemap.xml", "<urlset><url><loc>https://me.example/new</loc></url></urlset>");
    insta::assert_snapshot!(calls(aws_env, &["paths", "sync", "sitemap.xml", "--dry-run"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["paths", "sync", "sitemap.xml"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
      dynamodb:PutItem
    ");
    insta::assert_snapshot!(calls(aws_env, &["paths", "list"]), @"
    looks
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
}
