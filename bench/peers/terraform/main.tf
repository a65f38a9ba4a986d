# The same stack as `hitctl deploy` makes, as a user of Terraform would write it. bench/deploy.py gives the zip and the endpoint.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = "~> 6.0" }
  }
}

variable "endpoint" { type = string }
variable "zip" { type = string }

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    apigatewayv2 = var.endpoint
    dynamodb     = var.endpoint
    iam          = var.endpoint
    lambda       = var.endpoint
    logs         = var.endpoint
    sts          = var.endpoint
  }
}

resource "aws_dynamodb_table" "hits" {
  name         = "bench-tf"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "path"
  attribute {
    name = "path"
    type = "S"
  }
  point_in_time_recovery { enabled = true }
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/bench-tf"
  retention_in_days = 14
}

resource "aws_iam_role" "function" {
  name = "bench-tf"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "counter"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Scan"], Resource = aws_dynamodb_table.hits.arn },
      { Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${aws_cloudwatch_log_group.function.arn}:*" },
    ]
  })
}

resource "aws_lambda_function" "counter" {
  function_name                  = "bench-tf"
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  filename                       = var.zip
  source_code_hash               = filebase64sha256(var.zip)
  role                           = aws_iam_role.function.arn
  memory_size                    = 128
  timeout                        = 10
  reserved_concurrent_executions = 1
  publish                        = true
  environment { variables = { HITS_TABLE_NAME = aws_dynamodb_table.hits.name, LOG_LEVEL = "INFO" } }
  depends_on = [aws_iam_role_policy.function, aws_cloudwatch_log_group.function]
}

resource "aws_apigatewayv2_api" "api" {
  name          = "bench-tf"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = ["*"]
    allow_methods = ["*"]
  }
}

resource "aws_apigatewayv2_integration" "counter" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.counter.arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "counter" {
  for_each  = toset(["ANY /counter", "ANY /v1/hit", "ANY /v1/count", "ANY /healthz"])
  api_id    = aws_apigatewayv2_api.api.id
  route_key = each.value
  target    = "integrations/${aws_apigatewayv2_integration.counter.id}"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true
  default_route_settings {
    throttling_burst_limit = 20
    throttling_rate_limit  = 10
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.counter.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*/*"
}
