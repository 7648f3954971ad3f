"""The local platform: MiniStack, Node and the CDK below `.local/`, and the real deployment to them."""
