package platforms

const exeSuffix = ""

func usualLayout() Layout {
	return Layout{
		Bin:   "/opt/limpet/bin",
		Ver:   "/opt/limpet/ver",
		State: "/opt/limpet/state",
		Etc:   "/etc/limpet",
		Log:   "/var/log/limpet",
	}
}
