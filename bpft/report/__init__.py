"""Reports: records from logs, dumps and captures, summed again under the key that was asked for."""
