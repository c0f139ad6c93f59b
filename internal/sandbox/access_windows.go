package sandbox

func mayExecute(string) bool { return true }
