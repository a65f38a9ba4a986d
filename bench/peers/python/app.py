"""The visitor counter of a typical Cloud Resume Challenge site, as its write-ups show it: the peer of hitctl's function.

The better sort of it: the client is made once per process, and the count is one atomic ADD, not a read and a write.
"""
import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["HITS_TABLE_NAME"])


def handler(event, context):
    path = (event.get("queryStringParameters") or {}).get("path", "/")
    answer = table.update_item(
        Key={"path": path},
        UpdateExpression="ADD hits :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"},
        "body": json.dumps({"path": path, "hits": int(answer["Attributes"]["hits"])}),
    }
